"""A store in a fresh directory, and a clock that the test turns."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clocks import HandClock
from seawall.release.store import Store


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control" / "seawall.db"


@pytest.fixture
def where(path: Path) -> Path | str:
    """Where `store` is; tests of the store's contract say it for every database."""
    return path


@pytest.fixture
def store(where: Path | str, clock: HandClock) -> Iterator[Store]:
    with Store(where, clock=clock) as opened:
        yield opened
