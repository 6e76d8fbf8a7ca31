"""Experiments: what is asked of a lab, and the lines they add to its record."""
