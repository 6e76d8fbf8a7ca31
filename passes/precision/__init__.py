"""Passes for 16-bit floats: casts around the ops that were placed in them, as few as possible."""
