"""The configurations, one file for each way to make clients."""
