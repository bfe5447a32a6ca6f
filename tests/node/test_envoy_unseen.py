"""Whoever cannot look whether an Envoy runs does not take it for none."""

import contextlib
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from seawall.daemon import node
from seawall.errors import UnreachableError
from seawall.ids import Digest
from seawall.node import identity
from seawall.node.identity import Identity


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """A program that sleeps, called as no other on this machine."""
    path = tmp_path / "envoy-of-a-test"
    shutil.copy2(shutil.which("sleep") or "/bin/sleep", path)
    return path


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """Whatever is open stays open, and nothing else can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("written", [True, False])
def test_an_agent_without_a_free_descriptor_does_not_say_that_no_envoy_runs(
    tmp_path: Path, binary: Path, *, written: bool
) -> None:
    home = tmp_path / "a"
    home.mkdir()
    with subprocess.Popen([binary, "60"], cwd=home) as process:
        try:
            who = Identity(process.pid, identity.start_ticks(process.pid), "1", Digest("0" * 64))
            who.write(home)
            assert identity.find(home, binary) == who
            if not written:
                (home / identity.FILE).unlink()
            with no_more_files(), pytest.raises((UnreachableError, OSError)):
                identity.find(home, binary)
            with no_more_files(), pytest.raises(UnreachableError, match="Too many open files"):
                who.is_ours(home, binary)
        finally:
            process.kill()
    assert not who.is_ours(home, binary)


def test_an_agent_that_cannot_look_ends_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(*_: object) -> None:
        inner = [UnreachableError("envoy-unseen", "Whether an Envoy runs cannot be seen.")]
        raise ExceptionGroup("tasks", [ExceptionGroup("more", inner)])

    monkeypatch.setattr(node, "_run", work)
    for of_the_process in ("settle", "keep_small", "configure"):
        monkeypatch.setattr(node, of_the_process, lambda *_, **__: None)
    assert node.main(["--data-dir", str(tmp_path), "--parent-fd", "0"]) == 1
    assert "cannot continue: Whether an Envoy runs cannot be seen." in capsys.readouterr().err
