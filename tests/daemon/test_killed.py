"""Parts of an edge that are killed outright in the middle of a rollout."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from helpers import wait_until
from seawall.daemon.processes import Process, envoys
from seawall.demo.website import running_website
from seawall_process import Edge, seawall_up, site_file

_STAYS = "rollout: {steps: [{share: 50%, soak: 10m, deadline: 10m}], bake: 1s}\n"
"""A canary in which half of the connections meet the candidate until somebody ends it."""
_MARK = '    headers: {response: {set: {x-release: "candidate"}}}\n'


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running_website() as port:
        yield f"http://127.0.0.1:{port}"


def _in_canary(edge: Edge) -> tuple[Process, ...]:
    """Release something of which clients meet the candidate; the Envoys then."""
    text = site_file(edge.port, edge.origin, more=_MARK)
    edge.write(text=text.partition("rollout:")[0] + _STAYS)
    assert edge.run("apply", "--no-wait").returncode == 0
    wait_until(lambda: _meets_candidate(edge), what="a client meets the candidate", deadline_s=40)
    found = envoys(edge.data_dir)
    assert len(found) == 3  # stable, candidate, baseline
    return found


def _meets_candidate(edge: Edge) -> bool:
    status, headers, _ = edge.get()
    assert status == 200
    return "x-release" in headers


def test_a_supervisor_killed_in_a_canary_leaves_nobody_with_the_candidate(
    tmp_path: Path, origin: str
) -> None:
    with seawall_up(tmp_path, origin) as edge:
        stable, *tried = _in_canary(edge)
        edge.kill("up")
        wait_until(
            lambda: not any(process.alive() for process in tried),
            what="the candidate is withdrawn although nobody is there to judge it",
            deadline_s=40,
        )
        assert stable.alive()
        assert not any(_meets_candidate(edge) for _ in range(20))
        with seawall_up(tmp_path, origin, port=edge.port) as second:
            assert second.pid("envoy") == stable.pid
            second.run("abort")  # unless it was given up already, as on a busy machine


def test_down_ends_every_envoy_that_outlived_a_supervisor(tmp_path: Path, origin: str) -> None:
    with seawall_up(tmp_path, origin) as edge:
        left = _in_canary(edge)
        for name in ("up", "control", "node"):
            part = edge.part(name)
            assert part is not None
            part.send(signal.SIGKILL)
        edge.process.wait()
        assert all(process.alive() for process in left)
        done = edge.run("down")
        assert done.returncode == 0
        assert all(str(process.pid) in done.stdout for process in left)
        assert not any(process.alive() for process in left)


def _starting(edge: Edge) -> psutil.Process | None:
    """What tells the operator of the start, while it runs."""
    for child in psutil.Process(edge.process.pid).children():
        with suppress(psutil.Error):
            if "seawall.daemon.ready" in child.cmdline():
                return child
    return None


def test_a_start_whose_teller_meets_a_defect_does_not_end_what_serves(
    tmp_path: Path, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'seawall.daemon.ready' in sys.orig_argv:\n"
        "    from seawall.clock import SystemClock\n"
        "    SystemClock.monotonic_s = lambda clock: 1 // 0\n"
    )
    with seawall_up(tmp_path, origin) as edge:
        serves = edge.pid("envoy")
        edge.kill("up")
        monkeypatch.setenv("PYTHONPATH", str(broken))
        with seawall_up(tmp_path, origin, port=edge.port, ready=False, cold=True) as second:
            assert "exit code 70" in second.event("start-untold")["message"]
            assert second.get()[0] == 200
            assert second.pid("envoy") == serves


def test_a_start_whose_teller_is_killed_does_not_end_what_serves(
    tmp_path: Path, origin: str
) -> None:
    with seawall_up(tmp_path, origin) as edge:
        serves = edge.pid("envoy")
        edge.kill("up")
        with seawall_up(tmp_path, origin, port=edge.port, ready=False, cold=True) as second:
            wait_until(lambda: _starting(second), what="it is about to tell").kill()
            assert "SIGKILL" in second.event("start-untold")["message"]
            assert second.get()[0] == 200
            assert second.pid("envoy") == serves
