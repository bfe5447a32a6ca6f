"""Releases: immutable, named by their content, signed, stored, and guarded against mass change."""
