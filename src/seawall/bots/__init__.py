"""Bot decisions: signals, windows, model and rules, read in Envoy by a generated Lua filter."""
