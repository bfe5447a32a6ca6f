"""Shipped fakes that keep the promises of the real parts: for tests of Seawall and by others."""
