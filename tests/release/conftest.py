"""A store in a fresh directory, and a clock that the test turns."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from release.made import HandClock
from seawall.release.store import Store


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control" / "seawall.db"


@pytest.fixture
def store(path: Path, clock: HandClock) -> Iterator[Store]:
    with Store(path, clock=clock) as opened:
        yield opened
