"""Control and nodes on separate machines: who may speak, over what, and who leads."""
