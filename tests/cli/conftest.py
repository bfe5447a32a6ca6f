"""One running edge for every test of a command; tests leave it serving what `site_file` says."""

from collections.abc import Iterator

import pytest

from seawall.demo.website import running_website
from seawall_process import Edge, seawall_up


@pytest.fixture(scope="session")
def shared_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    directory = tmp_path_factory.mktemp("edge")
    with running_website() as port, seawall_up(directory, f"http://127.0.0.1:{port}") as edge:
        yield edge


@pytest.fixture
def edge(shared_edge: Edge) -> Iterator[Edge]:
    """The shared edge with the ordinary site file on disk."""
    shared_edge.write()
    yield shared_edge
    shared_edge.write()
