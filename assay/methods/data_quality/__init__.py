"""Methods of the pillar data_quality."""
