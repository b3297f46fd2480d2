"""Resolve a scene id to signed URLs of its bands."""
