"""The processes: the only place that wires the parts together."""
