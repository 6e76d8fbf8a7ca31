"""Passes of the kernel stage: layouts, kernel calls, places in memory."""
