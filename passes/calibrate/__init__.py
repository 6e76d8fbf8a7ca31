"""Passes of the calibrate stage: ranges of values, measured on data."""
