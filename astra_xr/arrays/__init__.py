"""Lazy arrays: what is behind the variables of a Dataset until their values are needed."""
