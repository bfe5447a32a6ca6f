"""Drivers that run badly: killed, late, silent, or talking nonsense."""

import sys
import time
from pathlib import Path

import pytest
from zoo.catalogue import Batch, Planned
from zoo.drivers import DRIVERS, Driver
from zoo.forward import running_forwarder
from zoo.kinds import Configuration, Kind
from zoo.prepare import Tools
from zoo.run import Crew, Place, perform, perform_all

WAITS = "import sys; print('started', flush=True); sys.stdin.read(); sys.stdin.read(); input()"


def _place(tmp_path: Path, forwarder: object, minutes: float = 1) -> Place:
    tools = Tools(Path(sys.executable), tmp_path)
    environment = {"PATH": "/usr/bin:/bin"}
    return Place(
        forwarder,  # type: ignore[arg-type] - a Forwarder, or nothing where none is used
        tools,
        tmp_path,
        tmp_path / "ca.pem",
        environment,
        time.time() + minutes * 60,
        Crew(),
    )


def _batch(driver: str, sessions: int = 2) -> Batch:
    configuration = Configuration("made up", "made up", Kind.DECLARED, driver, behaviours=("once",))
    return Batch(
        configuration,
        tuple(
            Planned(f"s{n}", f"100.64.0.{n + 1}", n, "once", cookies=False) for n in range(sessions)
        ),
    )


def _driver(monkeypatch: pytest.MonkeyPatch, code: str, session_s: float = 20) -> None:
    made = Driver("light", ("{python}", "-c", code), 1, session_s)
    monkeypatch.setitem(DRIVERS, "made up", made)


def test_a_crew_that_is_ended_ends_its_drivers_and_starts_none(tmp_path: Path) -> None:
    crew, place = Crew(), _place(tmp_path, None)
    process = crew.start([sys.executable, "-c", WAITS], place)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    crew.end()
    assert process.wait(10) != 0
    process.communicate()
    with pytest.raises(InterruptedError):
        crew.start([sys.executable, "-c", "pass"], place)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("raise SystemExit('no such client')", "no such client"),
        ("print('nonsense'); print('[1]'); print('{}')", "did not report"),
        (WAITS, "took longer than 2 s"),
    ],
)
def test_sessions_of_a_bad_driver_say_what_was_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, problem: str
) -> None:
    _driver(monkeypatch, code.replace("input()", "import signal; signal.pause()"), session_s=1)
    with running_forwarder(9) as forwarder:
        sessions = perform(_batch("made up"), _place(tmp_path, forwarder))
    assert [s.session for s in sessions] == ["s0", "s1"]
    assert all(problem in s.problem for s in sessions)


def test_a_session_that_was_reported_keeps_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {"session": "s1", "requests": 7, "start_s": 5.5, "problem": ""}
    _driver(monkeypatch, f"import json; print(json.dumps({line!r}))")
    with running_forwarder(9) as forwarder:
        silent, told = perform(_batch("made up"), _place(tmp_path, forwarder))
    assert (told.requests, told.start_s, told.problem) == (7, 5.5, "")
    assert "did not report" in silent.problem


def test_no_batch_starts_after_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _driver(monkeypatch, "pass")
    with running_forwarder(9) as forwarder:
        place = _place(tmp_path, forwarder, minutes=-1)
        assert perform_all([_batch("made up")] * 3, place, lambda *_: None) == 3
