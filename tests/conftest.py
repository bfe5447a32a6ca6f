"""What tests of several packages share."""

from collections.abc import Iterator

import pytest

import postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.PostgresServer]:
    """A running PostgreSQL, one for the whole test run."""
    with postgres_server.running() as server:
        if server is None:
            pytest.skip(postgres_server.MISSING)
        yield server
