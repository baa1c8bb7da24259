"""Intervals, bootstrap, tests, multiplicity."""
