"""Methods of the pillar robustness."""
