"""The site file: text to a checked edge. Start at `load`; `collect` reads the disk."""
