"""Which node shall run which release: for one machine, the values a node and control exchange."""
