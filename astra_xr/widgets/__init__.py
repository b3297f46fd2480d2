"""Interactive widgets for notebooks: the band picker, ``ds.astra.pick()``."""
