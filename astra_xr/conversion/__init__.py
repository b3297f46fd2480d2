"""Conversion of sources that are no COGs; so far the resolver serves files as they are."""
