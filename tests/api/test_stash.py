"""Copies of the files that releases were built from."""

import hashlib
from pathlib import Path

import pytest

from seawall.api.ingredients import Stash


@pytest.mark.parametrize("left", [b"", b"192.0.2.0"], ids=["empty", "cut off"])
def test_a_copy_that_was_cut_off_is_made_anew(tmp_path: Path, left: bytes) -> None:
    stash, content = Stash(tmp_path / "files"), b"192.0.2.0/24\n"
    name = hashlib.sha256(content).hexdigest()
    stash.keep([content])
    assert stash.read(name) == content
    (tmp_path / "files" / name).write_bytes(left)
    assert stash.read(name) is None
    stash.keep([content])
    assert stash.read(name) == content
