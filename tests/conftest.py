"""What tests of several packages share."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import postgres_server

# How long an example takes says something about the machine only: `make bench` measures time.
settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usual")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as processors: a third of the time a test waits for another process."""
    return len(os.sched_getaffinity(0)) * 3 // 2


def pytest_collection() -> None:
    """What is made here stays: nothing looks for garbage among it meanwhile."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that ask for more time come first: nobody waits at the end for the last of them."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


def pytest_collection_finish() -> None:
    """Half a million objects live from here to the end of the run.

    Nothing looks for garbage among them again: what we test collects garbage after each release,
    and would pay a quarter of a second each time for the tests that stand beside it.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.PostgresServer]:
    """A running PostgreSQL, one for the whole test run."""
    with postgres_server.running() as server:
        if server is None:
            pytest.skip(postgres_server.MISSING)
        yield server
