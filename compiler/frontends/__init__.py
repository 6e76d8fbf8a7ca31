"""Model formats that can be read."""
