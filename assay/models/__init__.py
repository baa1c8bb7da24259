"""Models: one file a format, one file an architecture, and the one place where rows become tensors."""
