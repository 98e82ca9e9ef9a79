"""A user's own strings: read from a file, checked against a model, and split into parts that share none."""
