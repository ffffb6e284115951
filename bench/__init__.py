"""Measurements: each file prints numbers, none of them decides. `make bench` runs them all."""
