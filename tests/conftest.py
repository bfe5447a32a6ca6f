"""What tests of several packages share."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import postgres_server

# How long an example takes says something about the machine only: `make bench` measures time.
settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usual")


def pytest_collection_finish() -> None:
    """Half a million objects live from here to the end of the run.

    Nothing looks for garbage among them again: what we test collects garbage after each release,
    and would pay a quarter of a second each time for the tests that stand beside it.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.PostgresServer]:
    """A running PostgreSQL, one for the whole test run."""
    with postgres_server.running() as server:
        if server is None:
            pytest.skip(postgres_server.MISSING)
        yield server
