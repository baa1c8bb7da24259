"""`assay convert`: from an owner's pickles and own classes to files in which nothing can run."""
