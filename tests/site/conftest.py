"""Profiles of the property tests: `make fuzz` runs the long one."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "long",
    max_examples=3_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
