"""The program of a job by itself: what it tells, whatever happens in it."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seawall.clock import SystemClock
from seawall.daemon import job
from seawall.errors import (
    ConflictError,
    InternalError,
    NotFoundError,
    RefusedError,
    SeawallError,
    UnreachableError,
    UsageError,
)
from seawall.jobs.memory import Ending, Outcome
from seawall.verify.renewing import Fetched, World

SETTINGS = {"every_s": 3600.0, "feed": "bot-model", "budget": 0.001, "bot_rules": ["trap"]}


def run(data_dir: Path, *, name: str = "retrain", parent: int | None = None) -> list[Any]:
    """What the real program tells."""
    order = {
        "job": name,
        "parent": os.getpid() if parent is None else parent,
        "data_dir": str(data_dir),
        "settings": SETTINGS,
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "seawall.daemon.job"],
        input=json.dumps(order).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["retrain", "ranges"])
def test_without_control_it_says_so(tmp_path: Path, name: str) -> None:
    (told,) = run(tmp_path, name=name)
    assert (told["ending"], told["code"]) == ("failed", "not-running")


def test_it_does_nothing_for_another_parent(tmp_path: Path) -> None:
    assert run(tmp_path, parent=1) == []


def _raising(error: BaseException) -> Callable[..., Outcome]:
    def retrain(*_: object, **__: object) -> Outcome:
        raise error

    return retrain


def _never() -> World:
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "ending", "code"),
    [
        (RefusedError("too-little", "Too little."), Ending.REFUSED, "too-little"),
        (UsageError("bad-line", "Line 7."), Ending.REFUSED, "bad-line"),
        (NotFoundError("feed-unknown", "None."), Ending.REFUSED, "feed-unknown"),
        (UnreachableError("away", "Away."), Ending.FAILED, "away"),
        (ConflictError("release-in-progress", "Busy."), Ending.FAILED, "release-in-progress"),
        (InternalError("broken", "Broken."), Ending.FAILED, "broken"),
        (MemoryError(), Ending.FAILED, "job-out-of-memory"),
        (OSError(28, "No space left on device"), Ending.FAILED, "job-disk"),
    ],
)
def test_every_failure_is_a_named_outcome(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    ending: Ending,
    code: str,
) -> None:
    monkeypatch.setattr(job, "retrain", _raising(error))
    monkeypatch.setattr(job, "_require_thaw", lambda _: None)
    order = {"job": "retrain", "data_dir": str(tmp_path), "settings": SETTINGS}
    found = job._carried_out(order, job.Teller(io.BytesIO(), SystemClock()), _never)
    assert (found.ending, found.code) == (ending, code)
    assert found.words
    assert found.remedy or isinstance(error, SeawallError)


def test_one_list_that_is_kept_makes_a_run_no_good_one() -> None:
    good = [Fetched("a", "released", 3), Fetched("b", "unchanged", 2)]
    found = job._told(good)
    assert (found.ending, found.words) == (
        Ending.RELEASED,
        "2 lists were fetched. New releases: a.",
    )
    assert job._told(good[1:]).ending is Ending.UNCHANGED
    found = job._told([*good, Fetched("c", "kept", 1, "c is gone")])
    assert (found.ending, found.code) == (Ending.FAILED, "bot-ranges-kept")
    assert found.words == "1 of 3 lists were left unchanged: c is gone"
