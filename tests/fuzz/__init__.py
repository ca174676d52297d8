"""Anything in any order, made up by Hypothesis. `make fuzz` takes the time for many examples."""
