"""Instruments for `compiler.pipeline.PassManager`: printing, timing, checking, reproducing.

Each is one class that knows nothing of the others; `options.py` makes them from flags that all
command-line tools share.
"""
