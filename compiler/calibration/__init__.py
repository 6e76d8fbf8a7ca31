"""Calibration as a user sees it: data from files and objects, the compiled float program that
ranges are measured on, worker processes, table files and the stability report.

The pass `calibrate` asks a `Session` (session.py) for ranges; what is measured, and how parts of
it are merged, is in `passes/calibrate/`.
"""
