"""How values are measured: what is kept of each, and the range that follows from it."""
