"""What happened on the edge: statistics, windows, access records, and their words."""
