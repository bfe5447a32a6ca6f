"""Is a release healthy? Pure functions over counts; missing data is a named reason to wait."""
