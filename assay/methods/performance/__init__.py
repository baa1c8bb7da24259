"""Methods of the pillar performance."""
