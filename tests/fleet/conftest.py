"""Two machines that nothing runs on yet."""

from pathlib import Path

import pytest

from fleet.machines import Machines


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(tmp_path)
