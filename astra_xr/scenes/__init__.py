"""From ids, items and searches to Datasets."""
