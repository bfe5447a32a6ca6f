"""Measures what the README claims: `make bench` or `python -m bench`. See docs/performance.md."""
