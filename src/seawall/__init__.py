"""Seawall: a self-hosted web edge over Envoy that no change of its own can take down."""

__version__ = "0.1.0"
