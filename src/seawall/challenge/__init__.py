"""The challenge ladder, and the clearance that a visitor earns on it.

`token` is the clearance itself, verified in Envoy; the rest is the service that grants it. See
docs/challenge.md.
"""
