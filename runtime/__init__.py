"""Everything that runs: the arithmetic reference, the kernels, the planner and the executor."""
