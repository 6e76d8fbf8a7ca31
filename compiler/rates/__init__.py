"""Rates of the cost model: their table in target files, and measuring them on this machine."""
