"""A data directory in memory: nobody else's file of its name keeps an edge from it."""

from pathlib import Path

import pytest

from seawall.daemon import standin


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(standin, "_MEMORY", memory)
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    (data_dir / "control").mkdir()
    (data_dir / "control" / "signing.key").write_text("key")
    return data_dir


def test_whoever_took_the_name_before_keeps_nobody_from_a_copy(data_dir: Path) -> None:
    """Anybody may make a file there, and can work out the name."""
    usual = standin.copy(data_dir)
    standin.remove(usual)
    assert not usual.exists()
    usual.symlink_to("/")  # no directory of this user, as one of another user is none

    place = standin.copy(data_dir)
    assert place != usual
    assert (place / "control" / "signing.key").read_text() == "key"
    assert place.stat().st_mode & 0o777 == 0o700
    assert standin.original_of(place) == str(data_dir)
    assert standin.copy(data_dir) == place
    standin.remove(place)
    assert [left.name for left in place.parent.iterdir()] == [usual.name]
