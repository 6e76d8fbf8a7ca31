"""Passes of the integer stage: ops on stored integers, and tables."""
