"""Passes of the place stage: which op computes in which precision, and why."""
