"""Methods of the pillar fairness."""
