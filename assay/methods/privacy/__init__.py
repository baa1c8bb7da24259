"""Privacy: what a model gives away about the rows it was trained on."""
