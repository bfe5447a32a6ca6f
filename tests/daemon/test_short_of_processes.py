"""A supervisor that starts on a machine which has no process to give, while an Envoy serves."""

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from seawall.daemon import up
from seawall.daemon.processes import Process, prepare_data_dir
from seawall.errors import UnreachableError
from seawall.exit_codes import DONE

_SERVES = Process(os.getpid(), 1)


class _Supervisor(up.Supervisor):
    """Told to leave as soon as its parts run."""

    def _sleep(self, duration_s: float) -> None:
        super()._sleep(min(duration_s, 0.01))
        if self._children and all(child.pid is not None for child in self._children):
            self._leaving = True


@pytest.mark.parametrize("serves", [True, False])
def test_what_serves_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], serves: bool
) -> None:
    prepare_data_dir(tmp_path)
    begin, refused = subprocess.Popen, list[Any]()
    ended: list[object] = []

    def short(command: Any, **options: Any) -> Any:
        if len(refused) < 3:  # node, control, and what tells of the start
            refused.append(command)
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return begin(["sleep", "60"], **options)

    monkeypatch.setattr(subprocess, "Popen", short)
    monkeypatch.setattr(up, "envoys", lambda _: (_SERVES,) if serves else ())
    monkeypatch.setattr(up.Supervisor, "_end", lambda _, found, __: ended.extend(found))
    monkeypatch.setattr("seawall.limits.LEAVE_TIMEOUT_S", 0.0)
    supervisor = _Supervisor(config=tmp_path / "seawall.yaml", data_dir=tmp_path)
    if not serves:
        with pytest.raises(UnreachableError, match="cannot start another process"):
            supervisor._supervise()
        return
    assert supervisor._supervise() == DONE
    assert ended == []
    assert "Resource temporarily unavailable" in capfd.readouterr().out
