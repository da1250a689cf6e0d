"""Measurements behind single decisions in docs/, run once; not part of `make bench`."""
