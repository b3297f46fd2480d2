"""Interactive widgets for notebooks; the band picker will live here."""
