"""Lazy arrays: what stands behind the variables of a Dataset until its values are asked for."""
