"""A real Envoy is sacrificed: what would have been an outage is a refusal with its arithmetic."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from clocks import HandClock
from compiler import build
from gate import made, poison
from helpers import wait_until
from seawall import limits
from seawall.clock import SystemClock
from seawall.compiler.compile import compile_edge
from seawall.compiler.contents import contents
from seawall.compiler.snapshot import Snapshot
from seawall.gate import plate
from seawall.gate.ask import Asker
from seawall.gate.compare import Changed, changed
from seawall.gate.sacrifice import Bounds, End, Sacrifice
from seawall.gate.stub import Stub
from seawall.gate.taster import Order, Taster, TasteReport
from seawall.ids import SiteName
from seawall.model import FixedResponse, Golden, PathExact, PathPrefix, Redirect

GOLDEN = Golden(SiteName("s0"), "s0.test", "/p1/a", status=(200,))


def taster(work_dir: Path, envoy: Path = made.ENVOY, **options: object) -> Taster:
    return Taster(envoy, SystemClock(), work_dir=work_dir, **options)  # type: ignore[arg-type]  # - passed on


def taste(
    judge: Taster, new: Snapshot, old: Snapshot | None = None, golden: tuple[Golden, ...] = ()
) -> TasteReport:
    change = changed(contents(old) if old else None, contents(new)) if old else Changed()
    return asyncio.run(judge.taste(Order(new, old, made.known(change), golden)))


def refused(report: TasteReport, code: str, *, blames_content: bool = True) -> str:
    assert report.refusal is not None, report
    assert report.refusal.code == code, report
    assert report.refusal.remedy
    assert report.refusal.blames_content is blames_content
    return report.refusal.text


def edge(*routes: object, **changes: object) -> Snapshot:
    return compile_edge(build.edge(build.site("shop", *routes, **changes)))  # type: ignore[arg-type]  # - passed on


def nothing_is_left(work_dir: Path) -> bool:
    return not list(work_dir.glob("taste-*"))


def test_an_ordinary_release_passes_beside_the_current_one(tmp_path: Path) -> None:
    report = taste(taster(tmp_path), made.snapshot(3, 6), made.snapshot(3, 5), (GOLDEN,))
    assert report.refusal is None
    assert report.lines[0] == "Asked 22 of 22 requests: 1 golden, 0 recent, 21 made."
    assert any("of memory, the current release" in line for line in report.lines)
    assert any("CPU time per request" in line for line in report.lines)
    assert nothing_is_left(tmp_path)


def test_the_first_release_is_tasted_alone(tmp_path: Path) -> None:
    report = taste(taster(tmp_path), made.snapshot(), golden=(GOLDEN,))
    assert report.refusal is None
    assert "There is no current release to compare with." in report.lines


def test_a_config_that_crashes_envoy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bucket.pb").write_bytes(b"")
    spoilt = poison.with_crashing_access_log(made.snapshot(), str(tmp_path / "bucket.pb"))
    text = refused(taste(taster(tmp_path), spoilt, made.snapshot()), "taster-crashed")
    assert "crashed with SIGSEGV while starting" in text
    assert nothing_is_left(tmp_path)


def test_a_crash_by_one_request_is_refused_and_the_request_named(tmp_path: Path) -> None:
    spoilt = poison.with_lua(made.snapshot(), poison.SEGFAULT, path="/p1")
    text = refused(taste(taster(tmp_path), spoilt, made.snapshot()), "taster-crashed")
    assert "SIGSEGV" in text
    assert "http://s0.test/p1" in text


def test_a_hang_is_refused(tmp_path: Path) -> None:
    spoilt = poison.with_lua(made.snapshot(), poison.ENDLESS, path="/p2")
    judge = taster(tmp_path, answer_timeout_s=1.0)
    text = refused(taste(judge, spoilt, made.snapshot()), "taster-no-answer", blames_content=False)
    assert "no answer in time, the current release 200" in text
    assert nothing_is_left(tmp_path)


def test_processor_time_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    spoilt = poison.with_lua(made.snapshot(), poison.SLOW, path="/p3")
    text = refused(
        taste(taster(tmp_path), spoilt, made.snapshot()), "taster-cpu", blames_content=False
    )
    assert "http://s0.test/p3" in text
    assert "4 times the" in text


def test_an_endless_loop_meets_the_limit_of_processor_time(tmp_path: Path) -> None:
    spoilt = poison.with_lua(made.snapshot(), poison.ENDLESS)
    judge = taster(tmp_path, bounds=Bounds(cpu_s=1), answer_timeout_s=10.0)
    text = refused(
        taste(judge, spoilt, made.snapshot()), "taster-out-of-time", blames_content=False
    )
    assert "SIG" not in text


def test_a_leak_meets_the_bound_on_memory(tmp_path: Path) -> None:
    spoilt = poison.with_lua(made.snapshot(4, 5), poison.GREEDY)
    judge = taster(tmp_path, bounds=Bounds(memory_bytes=200 * limits.MIB))
    refused(taste(judge, spoilt, made.snapshot(4, 5)), "taster-out-of-memory")
    assert nothing_is_left(tmp_path)


def test_much_more_memory_than_the_current_release_is_refused(tmp_path: Path) -> None:
    spoilt = poison.with_lua(made.snapshot(4, 5), poison.GREEDY)
    text = refused(taste(taster(tmp_path), spoilt, made.snapshot(4, 5)), "taster-memory")
    assert "MiB of the current release" in text


def test_an_error_on_a_route_that_did_not_change_is_refused(tmp_path: Path) -> None:
    spoilt = poison.with_lua(made.snapshot(), poison.ERROR, path="/p4")
    text = refused(taste(taster(tmp_path), spoilt, made.snapshot()), "taster-new-error")
    assert "answered 503, the current release 200" in text


def test_a_route_that_was_changed_to_an_error_on_purpose_is_listed(tmp_path: Path) -> None:
    old = edge(build.route("shop/all", PathPrefix("/")))
    gone = FixedResponse(503, "closed", "text/plain")
    new = edge(build.route("shop/all", PathPrefix("/"), gone))
    report = taste(taster(tmp_path), new, old)
    assert report.refusal is None
    (line,) = [line for line in report.lines if line.startswith("Differs: ")]
    assert "status 200 -> 503" in line
    assert "(changed on purpose)" in line


def test_differences_of_redirect_header_and_origin_are_listed(tmp_path: Path) -> None:
    def routes(to: str, status: int) -> Snapshot:
        move = Redirect(status, path=to)
        return edge(build.route("shop/old", PathExact("/old"), move), build.route("shop/all"))

    moved = taste(taster(tmp_path), routes("/b", 301), routes("/a", 302))
    text = "\n".join(moved.lines)
    assert "status 302 -> 301" in text
    assert "location http://shop.test/a -> http://shop.test/b" in text


def test_a_golden_request_answered_otherwise_is_refused(tmp_path: Path) -> None:
    fixed = FixedResponse(200, "all is well", "text/plain")
    site = edge(build.route("shop/health", PathExact("/health"), fixed), build.route("shop/all"))
    health = Golden(SiteName("shop"), "shop.test", "/health", status=(200,), contains="well")
    judge = taster(tmp_path)
    assert taste(judge, site, site, (health,)).refusal is None
    text = refused(
        taste(judge, site, site, (replace(health, contains="ill"),)), "golden-answered-otherwise"
    )
    assert "does not contain `ill`" in text
    text = refused(
        taste(judge, site, site, (replace(health, status=(204,)),)), "golden-answered-otherwise"
    )
    assert "answered 200, expected 204" in text
    other = edge(build.route("shop/health", PathExact("/x"), fixed), build.route("shop/all"))
    unsaid = replace(health, status=(), contains="", path="/health", method="GET")
    assert taste(judge, other, site, (unsaid,)).refusal is None


def test_what_an_origin_answers_is_what_the_golden_request_expects_of_it(tmp_path: Path) -> None:
    want = Golden(SiteName("shop"), "shop.test", "/a", status=(404,), contains="no such thing")
    assert taste(taster(tmp_path), edge(), golden=(want,)).refusal is None


def test_a_golden_request_for_a_host_nobody_serves_is_refused(tmp_path: Path) -> None:
    want = Golden(SiteName("shop"), "other.test", "/", status=(200,))
    refused(taste(taster(tmp_path), edge(), golden=(want,)), "golden-answered-otherwise")


def test_what_the_current_release_answered_is_remembered(tmp_path: Path) -> None:
    first, second = made.snapshot(3, 5), made.snapshot(3, 6)
    assert taste(taster(tmp_path), first, None, (GOLDEN,)).refusal is None
    report = taste(taster(tmp_path), second, first, (GOLDEN,))
    assert report.refusal is None
    assert any("are those from its own tasting" in line for line in report.lines)
    unknown = replace(GOLDEN, path="/p2/b")
    report = taste(taster(tmp_path), first, second, (unknown,))
    assert not any("was known" in line for line in report.lines)


def test_a_memory_that_makes_no_sense_is_forgotten(tmp_path: Path) -> None:
    judge = taster(tmp_path)
    assert taste(judge, made.snapshot()).refusal is None
    for text in (b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"envoy":1,"releases":[]}'):
        (tmp_path / "tasted.json").write_bytes(text)
        assert taste(judge, made.snapshot(), made.snapshot()).refusal is None


def test_recent_requests_are_replayed_and_only_harmless_ones(tmp_path: Path) -> None:
    access = tmp_path / "access.ndjson"
    access.write_text(
        made.record("/p1/real", 5)
        + made.record("/p1/real", 4)
        + made.record("/p1/posted", 3, method="POST")
        + made.record("/p1/old", 7_200)
        + made.record("/p1/switched", 3, status=101)
        + made.record("/p1/broken path", 3)
        + "not json\n"
        + made.record("/p2/real?token=secret", 2, method="HEAD")
    )
    judge = taster(tmp_path / "work", access_file=access)
    spoilt = poison.with_lua(made.snapshot(), poison.ERROR, path="/p1/real")
    report = taste(judge, spoilt, made.snapshot())
    text = refused(report, "taster-new-error")
    assert "GET http://s0.test/p1/…: answered 503" in text
    assert report.lines[0] == "Asked 20 of 20 requests: 0 golden, 2 recent, 18 made."
    assert "secret" not in "".join(report.lines)


def test_an_envoy_starts_while_it_is_still_found_out_what_changed(tmp_path: Path) -> None:
    begun: list[bool] = []

    async def change() -> Changed:
        begun.append(not nothing_is_left(tmp_path))
        return Changed()

    order = Order(made.snapshot(), None, change, ())
    assert asyncio.run(taster(tmp_path).taste(order)).refusal is None
    assert begun == [True]


def test_no_origin_sees_a_tasted_request(tmp_path: Path) -> None:
    async def run() -> int:
        seen = 0

        def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen
            seen += 1
            writer.close()

        server = await asyncio.start_server(count, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        whole = made.snapshot(1, 2, port=port)
        async with server:
            report = await taster(tmp_path).taste(Order(whole, whole, made.known(Changed()), ()))
            assert report.refusal is None
        return seen

    assert asyncio.run(run()) == 0


@pytest.mark.parametrize("text", ["exit 0", "exit 127"])
def test_an_envoy_that_does_not_run_is_no_reason_to_pass(tmp_path: Path, text: str) -> None:
    judge = taster(tmp_path / "work", made.script(tmp_path / "envoy", text))
    report = taste(judge, made.snapshot())
    assert report.refusal is not None
    assert not report.refusal.blames_content


def test_a_missing_envoy_or_directory_is_no_reason_to_pass(tmp_path: Path) -> None:
    refused(
        taste(taster(tmp_path / "work", tmp_path / "gone"), made.snapshot()),
        "taster-cannot-run",
        blames_content=False,
    )
    blocked = tmp_path / "file"
    blocked.write_text("")
    text = refused(
        taste(taster(blocked / "work"), made.snapshot()), "taster-cannot-run", blames_content=False
    )
    assert "taster cannot run on this machine" in text


def _sleeper(tmp_path: Path) -> tuple[Path, Path]:
    """An Envoy that writes what it may do, and sleeps."""
    marks = tmp_path / "marks"
    words = "$$ $(readlink /proc/self/ns/net) $(ulimit -c) $(ulimit -n)"
    return made.script(tmp_path / "envoy", f'echo "{words}" > {marks}; sleep 60'), marks


def _written(marks: Path) -> list[str]:
    wait_until(lambda: marks.exists() and marks.read_text().endswith("\n"), what="a start")
    return marks.read_text().split()


def _is_gone(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return "Z (zombie)" in Path(f"/proc/{pid}/status").read_text()


def test_a_sacrificial_envoy_is_confined_and_ends_when_nobody_waits_for_it(tmp_path: Path) -> None:
    script, marks = _sleeper(tmp_path)
    judge = taster(tmp_path / "work", script)

    async def run() -> list[str]:
        order = Order(made.snapshot(), None, made.known(Changed()), ())
        task = asyncio.ensure_future(judge.taste(order))
        words = await asyncio.to_thread(_written, marks)
        task.cancel()
        await asyncio.wait((task,))
        return words

    pid, network, core, files = asyncio.run(run())
    assert (core, files) == ("0", str(limits.TASTER_OPEN_FILES_MAX))
    assert os.geteuid() != 0 or network != str(Path("/proc/self/ns/net").readlink())
    assert _is_gone(pid)
    assert nothing_is_left(tmp_path / "work")


def test_a_sacrificial_envoy_does_not_outlive_a_killed_taster(tmp_path: Path) -> None:
    script, marks = _sleeper(tmp_path)
    code = (
        "import asyncio, sys, pathlib; from seawall.gate.sacrifice import Bounds, sacrifice\n"
        "async def run():\n"
        "  p = pathlib.Path\n"
        "  async with sacrifice(p(sys.argv[1]), {}, work_dir=p(sys.argv[2]), bounds=Bounds()):\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(run())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(script), str(tmp_path)])
    try:
        pid = _written(marks)[0]
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: _is_gone(pid), what="the end of the sacrificial process")


def test_a_sacrificial_envoy_never_begins_when_the_taster_was_killed_before_it_could(
    tmp_path: Path,
) -> None:
    """On a busy machine the script that confines it begins only after its parent has ended."""
    mark = tmp_path / "begun"
    code = (
        "import os, signal, subprocess, sys; from seawall.gate import sacrifice\n"
        "started = subprocess.Popen\n"
        "async def stopped(*command, cwd, env, **_):\n"
        "  null = subprocess.DEVNULL\n"
        "  process = started(command, cwd=cwd, env=env, stdout=null, stderr=null)\n"
        "  os.kill(process.pid, signal.SIGSTOP)\n"
        "  print(process.pid, flush=True)\n"
        "  os.kill(os.getpid(), signal.SIGKILL)\n"
        "sacrifice.asyncio.create_subprocess_exec = stopped\n"
        "async def run():\n"
        "  p = sacrifice.Path\n"
        "  bounds = sacrifice.Bounds()\n"
        "  envoy, work_dir = p(sys.argv[1]), p(sys.argv[2])\n"
        "  async with sacrifice.sacrifice(envoy, {}, work_dir=work_dir, bounds=bounds):\n"
        "    pass\n"
        "sacrifice.asyncio.run(run())\n"
    )
    script = tmp_path / "envoy"
    script.write_text(f"#!/bin/sh\necho > {mark}\nexec sleep 600\n")
    script.chmod(0o700)
    command = [sys.executable, "-c", code, str(script), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid = done.stdout.strip()
    try:
        os.kill(int(pid), signal.SIGCONT)
        wait_until(lambda: _is_gone(pid) or mark.exists(), what="the end of the orphan")
        assert not mark.exists()
    finally:
        if not _is_gone(pid):
            os.kill(int(pid), signal.SIGKILL)


def test_a_machine_that_stands_still_makes_no_decision_look_like_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, written = HandClock(), {"0": {"route": "s0/r0"}}
    looks = [{}, written]

    def look(_: Path) -> dict[str, dict[str, str]]:
        clock.time_s += 60
        return looks.pop(0)

    monkeypatch.setattr(plate, "_read_decisions", look)
    envoy = cast("Sacrifice", SimpleNamespace(directory=tmp_path, end=End.RUNNING))
    one = plate.Plate(envoy, Asker(tmp_path, {}, 1.0), Stub({}), clock=clock)
    assert asyncio.run(one._decisions(1)) == written
