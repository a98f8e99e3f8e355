"""What exists in an organisation, and who uses it."""
