"""Chaos for the job engine: real worker processes that are killed, stopped, starved and cut off.

`python -m tests.jobs.chaos --kills 40` runs one round and prints what the checker found.
"""
