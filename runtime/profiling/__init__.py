"""Where the time of a program goes."""
