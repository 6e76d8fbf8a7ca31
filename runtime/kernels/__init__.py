"""Compiled kernels: generic in shape, specialised in structure (element type, tile, epilogue)."""
