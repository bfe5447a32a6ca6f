"""Which node shall run which release: the plan, its rules, and the values that nodes exchange."""
