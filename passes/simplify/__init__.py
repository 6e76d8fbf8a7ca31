"""Passes of the simplify stage: fewer, larger float ops that compute the same program."""
