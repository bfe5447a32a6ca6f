"""The real Envoy judges snapshots; whatever else can happen to its process is told apart."""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from gate import made
from helpers import wait_until
from seawall import limits
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.static import static_bootstrap
from seawall.errors import RefusedError, UnreachableError
from seawall.gate import process
from seawall.gate.process import Ending, Limits
from seawall.gate.validate import Validator


def _alive(pid_file: Path) -> bool:
    """The process that wrote the file exists and is no zombie."""
    state = Path("/proc", pid_file.read_text().strip(), "stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_envoy_accepts_what_the_compiler_makes(tmp_path: Path) -> None:
    report = made.validate(made.validator(), made.snapshot(), tmp_path)
    report.require_accepted()
    assert (report.ending, report.words) == (Ending.ACCEPTED, "")
    assert (report.clusters_checked, report.clusters_known) == (3, 0)


def test_nothing_is_left_behind_and_leftovers_of_a_killed_process_go(tmp_path: Path) -> None:
    work_dir = tmp_path / "gate"
    leftover = work_dir / f"{process.DIRECTORY_PREFIX}old"
    leftover.mkdir(parents=True)
    (leftover / "snapshot.pb").write_bytes(b"a private key")
    made.validate(made.validator(), made.snapshot(), work_dir)
    assert list(work_dir.iterdir()) == []


def test_the_configuration_is_private_while_envoy_reads_it(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    envoy = made.script(
        tmp_path / "envoy", f"stat -c '%a %n' . snapshot.pb > {seen}; env >> {seen}"
    )
    made.validate(made.validator(envoy), made.snapshot(), tmp_path / "gate").require_accepted()
    lines = seen.read_text().splitlines()
    assert lines[:2] == ["700 .", "600 snapshot.pb"]
    assert {line.partition("=")[0] for line in lines[2:]} <= {"PWD", "_", "SHLVL", "OLDPWD"}


@pytest.mark.parametrize("spoiled", [0, 3, 6])
def test_a_refused_origin_is_named_though_envoy_does_not_name_it(
    tmp_path: Path, spoiled: int
) -> None:
    bad = made.spoilt(
        made.snapshot(7), TypeUrl.CLUSTER, f"o{spoiled}", made.maglev_that_is_not_prime
    )
    report = made.validate(made.validator(), bad, tmp_path)
    assert (report.owner, report.resource) == (f"origin o{spoiled}", f"o{spoiled}")
    with pytest.raises(RefusedError, match="must be prime") as caught:
        report.require_accepted()
    assert caught.value.code == "envoy-refused"


def test_a_refused_route_is_named(tmp_path: Path) -> None:
    def spoil(configuration: object) -> None:
        host = next(h for h in configuration.virtual_hosts if h.name == "s1")  # type: ignore[attr-defined] - generated
        host.domains.append("s1.test")

    bad = made.spoilt(made.snapshot(), TypeUrl.ROUTES, "http", spoil)
    report = made.validate(made.validator(), bad, tmp_path)
    assert report.owner == "site s1"
    assert "Duplicate entry of domain s1.test" in report.words


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (made.key_cut_short, "Failed to load private key"),
        # Envoy answers this one with the whole configuration, the key included.
        (made.broken_constraint, "caused by WatchedDirectoryValidationError.Path"),
    ],
)
def test_a_private_key_never_reaches_the_words(
    tmp_path: Path, spoil: Callable[[object], None], reason: str
) -> None:
    whole, key = made.snapshot_with_key()
    bad = made.spoilt(whole, TypeUrl.SECRET, "shop", spoil)
    report = made.validate(made.validator(), bad, tmp_path)
    assert reason in report.words
    for line in key.decode().splitlines()[1:-1]:
        assert line[:20] not in report.words


def test_a_secret_that_breaks_a_constraint_is_named(tmp_path: Path) -> None:
    whole, _ = made.snapshot_with_key()
    bad = made.spoilt(whole, TypeUrl.SECRET, "shop", made.broken_constraint)
    report = made.validate(made.validator(), bad, tmp_path)
    assert (report.owner, report.resource) == ("certificate shop", "shop")


def test_known_origins_are_left_out_and_routes_to_them_stay_valid(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    judge = made.validator(
        made.script(tmp_path / "envoy", f'echo run >> {runs}; exec {made.ENVOY} "$@"')
    )
    first = made.validate(judge, made.snapshot(), tmp_path / "gate")
    assert first.clusters_checked == 3
    again = made.validate(judge, made.snapshot(), tmp_path / "gate")
    assert (again.clusters_checked, again.clusters_known) == (0, 3)
    more = made.validate(judge, made.snapshot(5), tmp_path / "gate")
    assert (more.accepted, more.clusters_checked, more.clusters_known) == (True, 2, 3)
    assert runs.read_text().split() == ["run"] * 3


def test_a_new_origin_is_refused_among_known_ones(tmp_path: Path) -> None:
    judge = made.validator()
    made.validate(judge, made.snapshot(), tmp_path).require_accepted()
    bad = made.spoilt(made.snapshot(), TypeUrl.CLUSTER, "o1", made.maglev_that_is_not_prime)
    report = made.validate(judge, bad, tmp_path)
    assert (report.accepted, report.owner) == (False, "origin o1")
    assert (report.clusters_checked, report.clusters_known) == (1, 2)
    made.validate(judge, made.snapshot(), tmp_path).require_accepted()


def test_a_refused_origin_never_becomes_known(tmp_path: Path) -> None:
    judge = made.validator()
    bad = made.spoilt(made.snapshot(), TypeUrl.CLUSTER, "o1", made.maglev_that_is_not_prime)
    for _ in range(2):
        assert not made.validate(judge, bad, tmp_path).accepted


def test_another_binary_or_bootstrap_knows_nothing(tmp_path: Path) -> None:
    envoy = tmp_path / "envoy"
    made.script(envoy, "exit 0")
    judge = made.validator(envoy)
    made.validate(judge, made.snapshot(), tmp_path)
    made.script(envoy, "exit 0 # another")
    assert made.validate(judge, made.snapshot(), tmp_path).clusters_checked == 3
    whole = made.snapshot()
    bootstrap = whole.of_type(TypeUrl.BOOTSTRAP)[0]
    rest = [r for r in whole.resources if r is not bootstrap]
    grown = Resource(bootstrap.type_url, bootstrap.name, bootstrap.body + b"\x8a\x02\x00", "edge")
    assert made.validate(judge, Snapshot.of((*rest, grown)), tmp_path).clusters_checked == 3


def test_a_new_validator_goes_on_from_what_was_accepted_in_another_process(tmp_path: Path) -> None:
    judge = made.validator()
    judge.trust(made.snapshot(3))
    report = made.validate(judge, made.snapshot(5), tmp_path)
    assert (report.accepted, report.clusters_checked, report.clusters_known) == (True, 2, 3)


def test_trust_covers_nothing_but_what_was_trusted(tmp_path: Path) -> None:
    judge = made.validator()
    judge.trust(made.snapshot(3))
    bad = made.spoilt(made.snapshot(3), TypeUrl.CLUSTER, "o1", made.maglev_that_is_not_prime)
    assert made.validate(judge, bad, tmp_path).owner == "origin o1"


def test_what_was_left_out_is_never_the_reason_of_a_refusal(tmp_path: Path) -> None:
    # Stands for an Envoy that would not accept a configuration without every origin.
    whole = len(static_bootstrap(made.snapshot(), admin_path=None))
    envoy = made.script(tmp_path / "envoy", f"[ $(stat -c %s snapshot.pb) -ge {whole} ]")
    judge = made.validator(envoy)
    made.validate(judge, made.snapshot(), tmp_path / "gate").require_accepted()
    report = made.validate(judge, made.snapshot(), tmp_path / "gate")
    assert report.accepted


def test_a_host_that_changed_is_read_again_among_settled_ones(tmp_path: Path) -> None:
    def spoil(configuration: object) -> None:
        host = next(h for h in configuration.virtual_hosts if h.name == "s1")  # type: ignore[attr-defined] - generated
        host.routes[0].match.safe_regex.regex = "["

    judge = made.validator()
    made.validate(judge, made.snapshot(), tmp_path).require_accepted()
    bad = made.spoilt(made.snapshot(), TypeUrl.ROUTES, "http", spoil)
    for _ in range(2):
        report = made.validate(judge, bad, tmp_path)
        assert (report.accepted, report.owner.partition("/")[0]) == (False, "route s1")
    made.validate(judge, made.snapshot(), tmp_path).require_accepted()


def test_settled_hosts_are_left_out_until_a_listener_changes(tmp_path: Path) -> None:
    sizes = tmp_path / "sizes"
    envoy = made.script(tmp_path / "envoy", f"stat -c %s snapshot.pb >> {sizes}")
    judge = made.validator(envoy)
    whole = made.snapshot()
    listener = whole.of_type(TypeUrl.LISTENER)[0]
    rest = [r for r in whole.resources if r is not listener]
    other = Resource(listener.type_url, listener.name, listener.body + b"\x8a\x01\x00", "edge")
    for snapshot in (whole, whole, Snapshot.of((*rest, other))):
        made.validate(judge, snapshot, tmp_path / "gate").require_accepted()
    first, second, third = map(int, sizes.read_text().split())
    tables = [RouteConfiguration.FromString(r.body) for r in whole.of_type(TypeUrl.ROUTES)]
    hosts = sum(host.ByteSize() for table in tables for host in table.virtual_hosts)
    origins = sum(len(r.body) for r in whole.of_type(TypeUrl.CLUSTER))
    assert first - second > hosts // 2 + origins // 2
    assert third - second > hosts // 2, "a host is known with its listeners only"


def _ended(tmp_path: Path, text: str, bounds: Limits | None = None) -> tuple[Ending, str, str]:
    envoy = made.script(tmp_path / "envoy", text)
    report = made.validate(made.validator(envoy, bounds), made.snapshot(), tmp_path / "gate")
    with pytest.raises(RefusedError) as caught:
        report.require_accepted()
    assert caught.value.remedy
    assert list((tmp_path / "gate").iterdir()) == []
    return report.ending, report.words, caught.value.code


def test_a_missing_envoy_is_said_to_be_missing(tmp_path: Path) -> None:
    report = made.validate(made.validator(tmp_path / "none"), made.snapshot(), tmp_path / "gate")
    assert report.ending is Ending.MISSING
    with pytest.raises(RefusedError, match="There is no Envoy at"):
        report.require_accepted()


@pytest.mark.parametrize("mode", [0o600, 0o700])
def test_an_envoy_that_cannot_run_is_said_to_be_so(tmp_path: Path, mode: int) -> None:
    envoy = tmp_path / "envoy"
    envoy.write_bytes(b"\x7fELF of another machine")
    envoy.chmod(mode)
    report = made.validate(made.validator(envoy), made.snapshot(), tmp_path / "gate")
    assert report.ending is Ending.NOT_EXECUTABLE


def test_an_envoy_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = [tmp_path / "one", tmp_path / "two"]
    text = f"sh -c 'echo $$ > {pids[1]}; exec sleep 600' & echo $$ > {pids[0]}; exec sleep 600"
    ending, words, code = _ended(tmp_path, text, Limits(timeout_s=1.0))
    assert (ending, code) == (Ending.TIMED_OUT, "envoy-timed-out")
    assert "within 1 s" in words
    for pid in pids:
        wait_until(lambda pid=pid: not _alive(pid), what="the process is gone")


@pytest.mark.parametrize("starting", [False, True])
def test_cancelling_ends_envoy_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starting: bool
) -> None:
    pids = [tmp_path / "one", tmp_path / "two"]
    envoy = made.script(
        tmp_path / "envoy",
        f"sh -c 'echo $$ > {pids[1]}; exec sleep 600' & echo $$ > {pids[0]}; exec sleep 600",
    )
    start = asyncio.create_subprocess_exec

    async def start_and_cancel() -> None:
        returned, go_on = asyncio.Event(), asyncio.Event()

        async def started(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
            process = await start(*arguments, **options)
            if starting:
                await go_on.wait()
            returned.set()
            return process

        monkeypatch.setattr(asyncio, "create_subprocess_exec", started)
        task = asyncio.ensure_future(
            made.validator(envoy).validate(made.snapshot(), work_dir=tmp_path / "gate")
        )
        await asyncio.to_thread(
            wait_until,
            lambda: all(pid.exists() and pid.read_text().strip() for pid in pids),
            what="both processes run",
        )
        if not starting:
            await returned.wait()
        task.cancel()
        await asyncio.sleep(0)  # it is told before the start returns
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(start_and_cancel())
    assert list((tmp_path / "gate").iterdir()) == []
    for pid in pids:
        wait_until(lambda pid=pid: not _alive(pid), what="the process is gone")


def test_too_much_cpu_time_is_told_apart(tmp_path: Path) -> None:
    ending, _, code = _ended(tmp_path, "while :; do :; done", Limits(cpu_s=1))
    assert (ending, code) == (Ending.OUT_OF_TIME, "envoy-out-of-cpu-time")


def test_too_much_memory_is_told_apart(tmp_path: Path) -> None:
    judge = Validator(made.ENVOY, made.SystemClock(), Limits(memory_bytes=40 * limits.MIB))
    report = made.validate(judge, made.snapshot(300), tmp_path)
    assert report.ending is Ending.OUT_OF_MEMORY


def test_a_missing_library_is_no_refusal(tmp_path: Path) -> None:
    text = "echo 'envoy: error while loading shared libraries: libm.so.6: not found'; exit 127"
    ending, words, _ = _ended(tmp_path, text)
    assert ending is Ending.NOT_EXECUTABLE
    assert "libm.so.6" in words


def test_a_kill_from_outside_and_a_crash_are_told_apart(tmp_path: Path) -> None:
    assert _ended(tmp_path, "kill -KILL $$")[0] is Ending.KILLED
    ending, words, _ = _ended(tmp_path, "echo assert failure: x; kill -SEGV $$")
    assert (ending, words) == (Ending.CRASHED, "assert failure: x")


def test_endless_output_is_bounded_and_does_not_block(tmp_path: Path) -> None:
    text = "head -c 3000000 /dev/zero | tr '\\0' x; exit 1"
    ending, words, _ = _ended(tmp_path, text)
    assert ending is Ending.REFUSED
    assert len(words) == limits.ENVOY_MESSAGE_LENGTH_CHARS_MAX


def test_a_work_directory_that_cannot_be_used_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnreachableError, match="Cannot validate in"):
        made.validate(made.validator(), made.snapshot(), tmp_path / "file" / "gate")


def test_the_work_directory_is_made_private(tmp_path: Path) -> None:
    made.validate(made.validator(), made.snapshot(1), tmp_path / "gate")
    assert stat.S_IMODE((tmp_path / "gate").stat().st_mode) == 0o700


def test_runs_of_one_validator_take_turns(tmp_path: Path) -> None:
    judge = made.validator()

    async def both() -> list[bool]:
        async with asyncio.TaskGroup() as group:
            runs = [
                group.create_task(judge.validate(made.snapshot(2), work_dir=tmp_path))
                for _ in range(3)
            ]
        return [run.result().accepted for run in runs]

    assert asyncio.run(both()) == [True] * 3
