"""A local platform to try everything on; shares no code with the client, so it can judge it."""
