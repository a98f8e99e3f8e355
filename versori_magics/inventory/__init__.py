"""The connections of an organisation, and who uses them."""
