"""What ``ds.astra`` and ``da.astra`` do; one module a group of methods."""
