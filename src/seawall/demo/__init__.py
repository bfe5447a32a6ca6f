"""A small website and Seawall in front of it: what `make up` shows a newcomer."""
