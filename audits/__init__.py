"""Policies, plans, runs, measures, findings, snapshots, comparisons."""
