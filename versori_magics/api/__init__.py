"""The Versori API: one server over HTTP. Imports nothing of the layers above it."""
