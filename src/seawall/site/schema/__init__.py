"""What may be written in a site file. The field descriptions are the reference documentation."""
