"""Famous outages replayed on a private fleet: Seawall's way beside the naive way.

A drill starts real Envoys on loopback with real traffic, injects the fault of one outage, and
counts what clients saw. It never touches the edge that an operator runs: own directories, own
ports.
"""
