"""The same ops on stored integers: int32 sums, one float32 rescale, one rounding.

Every function takes stored integers by position, `<operand>_params` per quantized operand and
`result_params`. The arithmetic of each is stated in its docstring, with s_ a scale, z_ a zero
point, and every float32 operation rounded on its own unless it says fma.
"""
