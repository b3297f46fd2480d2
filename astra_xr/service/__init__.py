"""The HTTP service: the asset-resolver API over the embedded resolver."""
