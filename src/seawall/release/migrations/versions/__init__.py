"""One module for each schema of the store."""
