"""What passes share that compare the quantized program with float to correct it."""
