"""Passes of the quantize stage: quantize and dequantize around int8 ops, as few as possible."""
