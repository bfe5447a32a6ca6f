"""One ordinary edge for all tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from edge.serving import Serving, serving


@pytest.fixture(scope="session")
def _shared_edge() -> Iterator[Serving]:
    with serving() as running:
        yield running


@pytest.fixture
def edge(_shared_edge: Serving) -> Iterator[Serving]:
    """The shared edge; after the test it must still serve, whatever was thrown at it."""
    _shared_edge.forget()
    yield _shared_edge
    _shared_edge.assert_serves()
