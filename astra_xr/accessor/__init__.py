"""What ``ds.astra`` and ``da.astra`` do; one module per group of methods."""
