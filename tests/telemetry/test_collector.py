"""Real traffic through a real edge, seen as windows, records, stories and notices."""

import asyncio
import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from compiler import build
from envoy_harness import (
    EnvoyProcess,
    Origin,
    RawClient,
    Response,
    free_port,
    ok,
    running_envoy,
    wait_until,
)
from seawall.clock import SystemClock
from seawall.compiler.compile import compile_edge
from seawall.compiler.static import static_bootstrap
from seawall.errors import NotFoundError, UnreachableError
from seawall.ids import Generation, NodeName, ReleaseId, SiteName
from seawall.judge.gates import GATES, GATES_BY_NAME
from seawall.limits import STATS_POLL_INTERVAL_S, STATS_UNANSWERED_TOLD, WINDOWS_KEPT_MAX
from seawall.model import Endpoint, FixedResponse, PathExact, PathPrefix, Timeouts
from seawall.telemetry import rotation
from seawall.telemetry.admin import AdminClient
from seawall.telemetry.collector import Collector
from seawall.telemetry.measures import LATENCY_BOUNDS_MS, MEASURES, edge_source
from seawall.telemetry.recording import Recording
from seawall.telemetry.records import AccessRecord, files, find, newest, recent
from seawall.telemetry.stats import QUERY, histogram, parse
from seawall.telemetry.why import story
from seawall.telemetry.window import Window

SHOP = SiteName("shop")


@dataclass
class Watched:
    origin: Origin
    envoy: EnvoyProcess
    port: int

    @property
    def access_log(self) -> Path:
        return self.envoy.directory / "access.ndjson"

    def collector(self, *, records: bool = True) -> Collector:
        admin = AdminClient(self.envoy.directory / "admin.sock")
        clock = SystemClock()
        return Collector(admin, self.access_log, clock, NodeName("local"), records=records)

    def get(self, path: str, *lines: str) -> Response:
        head = "\r\n".join([f"GET {path} HTTP/1.1", "host: shop.test", "connection: close", *lines])
        with RawClient(self.port) as client:
            client.send(f"{head}\r\n\r\n".encode())
            return client.response()

    def record(self, response: Response) -> AccessRecord:
        """The access record of an answered request, once Envoy has written it."""
        request_id = response.header("x-request-id") or ""

        def found() -> AccessRecord | None:
            try:
                return find(self.access_log, request_id)
            except NotFoundError:
                return None

        return wait_until(found, what=f"the record of {request_id}")


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    port, dead = free_port(), free_port()
    with Origin() as origin:
        origin.answer = lambda r: ok(status="500 Oops") if b"/fail" in r.target else ok()
        routes = (
            build.route("shop/ping", PathExact("/ping"), FixedResponse(200, "pong\n")),
            build.route("shop/dead", PathPrefix("/dead"), build.forward("dead")),
            build.route(
                "shop/slow", PathPrefix("/slow"), build.forward("app", timeouts=Timeouts(0.2, 9, 0))
            ),
            build.route("shop/all"),
        )
        edge = build.edge(
            build.site("shop", *routes),
            origins=(
                build.origin("app", origin.port),
                build.origin("dead", endpoints=(Endpoint("127.0.0.1", dead),)),
            ),
            http=(port,),
        )
        bootstrap = static_bootstrap(compile_edge(edge), admin_path="admin.sock")
        with running_envoy(bootstrap, arguments=("--file-flush-interval-msec", "20")) as envoy:
            yield Watched(origin, envoy, port)


async def commit(collector: Collector, number: int) -> Window | None:
    return await collector.commit(ReleaseId(f"r{number}"), Generation(number))


def test_real_traffic_becomes_the_window_of_its_release(watched: Watched) -> None:
    async def scenario() -> Window | None:
        collector = watched.collector()
        await commit(collector, 1)
        for path in ("/", "/", "/fail", "/dead", "/ping"):
            await asyncio.to_thread(watched.get, path)
        return await commit(collector, 2)

    window = asyncio.run(scenario())
    assert window is not None
    assert (window.release, window.generation) == ("r1", 1)
    counts = window.sites[SHOP]
    assert (counts.requests, counts.status_2xx, counts.status_5xx) == (4, 2, 2)
    assert window.edge["requests"] == 5
    assert window.edge["answered_here"] == 1
    assert window.edge["origin_connect_failures"] == 1
    assert window.edge["live"] == 1
    assert window.edge["memory_allocated_bytes"] > 0


def test_envoys_latency_buckets_are_the_ones_that_are_known(watched: Watched) -> None:
    for _ in range(3):
        watched.get("/")

    def bounds() -> set[tuple[float, ...]]:
        reading = parse(watched.envoy.admin("/stats?usedonly&histogram_buckets=cumulative"))
        found = (histogram(text) for text in reading.histograms.values())
        return {one.bounds for one in found if one is not None and sum(one.counts) > 0}

    assert wait_until(bounds, what="merged histograms") == {LATENCY_BOUNDS_MS}


def test_a_window_of_a_real_envoy_holds_what_every_gate_of_the_judge_needs(
    watched: Watched,
) -> None:
    async def scenario() -> Window | None:
        collector = watched.collector()
        await commit(collector, 1)
        for path in ("/", "/fail", "/ping"):
            await asyncio.to_thread(watched.get, path)
        return await commit(collector, 2)

    window = asyncio.run(scenario())
    assert window is not None
    counted = {gate.name: gate.of_window(window, 3) for gate in GATES}
    assert [name for name, count in counted.items() if count is None] == ["cpu"]  # not Envoy's
    assert (counted["errors"], counted["client-errors"]) == ((1, 3), (0, 3))
    assert (counted["unanswered"], counted["refused"]) == ((0, 3), (0, 3))


def test_a_request_that_waits_for_its_origin_is_unanswered_and_a_stream_is_not(
    watched: Watched,
) -> None:
    async def begin(_: object) -> bytes:
        return b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbegun"

    async def hang(_: object) -> bytes:
        await asyncio.Event().wait()
        return ok()

    async def waiting(*, answered: int) -> float:
        collector = watched.collector()
        await commit(collector, 1)
        before = watched.envoy.stats("http.http.downstream_rq_")
        with RawClient(watched.port) as client:
            client.send(b"GET /x HTTP/1.1\r\nhost: shop.test\r\n\r\n")
            await asyncio.to_thread(wait_until, lambda: grown(before, answered), what="a request")
            window = await commit(collector, 2)
        assert window is not None
        count = GATES_BY_NAME["unanswered"].of_window(window, None)
        assert count is not None
        return count[0]

    def grown(before: Mapping[str, int], answered: int) -> bool:
        now = watched.envoy.stats("http.http.downstream_rq_")
        names = [f"http.http.downstream_rq_{name}" for name in ("total", "2xx")]
        more = [now.get(name, 0) - before.get(name, 0) for name in names]
        return more == [1, answered]

    usual = watched.origin.answer
    try:
        watched.origin.answer = hang
        assert asyncio.run(waiting(answered=0)) == 1
        watched.origin.answer = begin
        assert asyncio.run(waiting(answered=1)) == 0
    finally:
        watched.origin.answer = usual


@contextlib.contextmanager
def hanging(watched: Watched) -> Iterator[None]:
    """An origin that never answers: the route `/slow` gives it little time."""

    async def hang(_: object) -> bytes:
        await asyncio.Event().wait()
        return ok()

    usual, watched.origin.answer = watched.origin.answer, hang
    try:
        yield
    finally:
        watched.origin.answer = usual


def test_a_timeout_of_the_origin_is_counted(watched: Watched) -> None:
    async def scenario() -> Window | None:
        collector = watched.collector()
        await commit(collector, 1)
        answer = await asyncio.to_thread(watched.get, "/slow")
        assert answer.status == 504
        return await commit(collector, 2)

    with hanging(watched):
        window = asyncio.run(scenario())
    assert window is not None
    assert (window.sites[SHOP].timeouts, window.sites[SHOP].status_5xx) == (1, 1)


def test_envoy_knows_every_statistic_that_the_measures_are_made_of(watched: Watched) -> None:
    for path in ("/", "/dead"):
        watched.get(path)
    with hanging(watched):
        watched.get("/slow")
    known = {edge_source(line.partition(": ")[0]) for line in _stats(watched)}
    # The bot filter makes its counters with the first request of a kind: see test_bot_counters.py.
    own = {m.source for m in MEASURES if m.source.startswith("http.*.lua.bots_")}
    assert {measure.source for measure in MEASURES} - known - own == set()


def test_a_served_request_has_a_record_and_a_story(watched: Watched) -> None:
    record = watched.record(watched.get("/cart?token=secret", "user-agent: probe/1"))
    assert (record.route, record.status, record.path) == ("shop/all", 200, "/cart")
    assert (record.method, record.host, record.origin) == ("GET", "shop.test", "app")
    assert record.endpoint == f"127.0.0.1:{watched.origin.port}"
    assert record.client == record.peer == "127.0.0.1"
    assert record.duration_ms is not None
    assert "token" not in str(record)
    told = " ".join(story(record).sentences)
    assert "Route shop/all took it." in told
    assert "The origin gave this answer." in told


def test_a_failed_request_tells_why(watched: Watched) -> None:
    record = watched.record(watched.get("/dead"))
    assert record.flags == "UF"
    told = story(record)
    assert "No connection to the origin could be made." in told.sentences
    assert "seawall status" in told.remedy


def test_rotation_under_traffic_loses_no_record(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = watched.collector()
    first = watched.get("/before")
    watched.record(first)
    monkeypatch.setattr(rotation, "ACCESS_LOG_FILE_SIZE_BYTES_MAX", 1)
    asyncio.run(collector.poll())
    monkeypatch.undo()
    assert watched.access_log.with_name("access.ndjson.1").exists()
    second = watched.get("/after")
    assert watched.record(second).path == "/after"
    wait_until(watched.access_log.exists, what="Envoy has opened a new file")
    assert watched.record(first).path == "/before"
    paths = [r.path for r in newest(files(watched.access_log), 10**6)][:2]
    assert paths == ["/after", "/before"]


def test_a_rename_that_envoy_was_not_told_of_is_made_good(watched: Watched) -> None:
    watched.record(watched.get("/x"))
    rotation.rotate(watched.access_log)
    asyncio.run(watched.collector().poll())
    watched.record(watched.get("/y"))
    wait_until(watched.access_log.exists, what="Envoy has opened a new file")


@pytest.mark.parametrize("created", [False, True], ids=["rename", "rename and create"])
def test_records_follow_their_name_when_somebody_else_rotates(
    watched: Watched, created: bool
) -> None:
    collector = watched.collector()
    watched.record(watched.get("/before"))
    asyncio.run(collector.poll())
    watched.access_log.rename(watched.access_log.with_name("access.ndjson-20261129"))
    if created:
        watched.access_log.touch()
    asyncio.run(collector.poll())
    assert watched.record(watched.get("/after")).path == "/after"


def test_an_envoy_that_does_not_look_after_the_records_follows_them(watched: Watched) -> None:
    """A candidate wrote on into the file of its beginning, until that was overwritten."""
    candidate = watched.collector(records=False)
    watched.record(watched.get("/before"))
    asyncio.run(candidate.poll())
    rotation.rotate(watched.access_log)
    watched.access_log.touch()  # the stable Envoy was told, and has opened it
    asyncio.run(candidate.poll())
    watched.record(watched.get("/after"))
    assert [one.path for one in recent(watched.access_log, 1 << 20)] == ["/after"]


def test_forwarded_for_from_an_untrusted_peer_becomes_a_notice(watched: Watched) -> None:
    collector = watched.collector()
    watched.record(watched.get("/x", "x-forwarded-for: 1.2.3.4"))
    asyncio.run(collector.poll())
    assert any("x-forwarded-for" in n and "127.0.0.1" in n for n in collector.notices())


class Script(AdminClient):
    """An admin client whose answers to `/stats` are given; an exception is raised."""

    def __init__(self, *answers: bytes | Exception) -> None:
        super().__init__(Path("/nonexistent"))
        self.answers = list(answers)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        assert (path, query) == ("/stats", QUERY)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


AWAY = UnreachableError("envoy-admin-unreachable", "gone")
FINE = b"server.live: 1\nserver.uptime: 1000\n"


def scripted(tmp_path: Path, *answers: bytes | Exception) -> Collector:
    return Collector(Script(*answers), tmp_path / "access.ndjson", SystemClock(), NodeName("local"))


def test_an_envoy_that_is_away_is_a_notice_and_not_an_error(tmp_path: Path) -> None:
    collector = scripted(tmp_path, FINE, FINE, AWAY)

    async def scenario() -> None:
        await commit(collector, 1)
        await collector.poll()
        assert collector.notices() == ()
        await collector.poll()

    asyncio.run(scenario())
    assert "does not answer" in collector.notices()[0]


def test_an_envoy_that_has_just_been_started_is_no_notice_until_it_stays_silent(
    tmp_path: Path,
) -> None:
    collector = scripted(tmp_path, AWAY)

    async def scenario() -> None:
        await commit(collector, 1)
        await collector.poll()
        assert collector.notices() == ()
        for _ in range(STATS_UNANSWERED_TOLD):
            await collector.poll()

    asyncio.run(scenario())
    assert "does not answer" in collector.notices()[0]


def test_an_envoy_that_has_used_up_its_files_is_said_to(tmp_path: Path) -> None:
    script = Script(FINE, AWAY)
    collector = Collector(
        script,
        tmp_path / "access.ndjson",
        SystemClock(),
        NodeName("local"),
        files_used_up=lambda: 4096,
    )

    async def scenario() -> None:
        await commit(collector, 1)
        assert collector.notices() == ()
        await collector.poll()

    asyncio.run(scenario())
    assert "limit of 4,096 open files" in collector.notices()[1]


def test_origins_without_health_or_address_are_notices(tmp_path: Path) -> None:
    members = b"".join(
        b"cluster.%s.membership_healthy: %d\ncluster.%s.membership_total: %d\n"
        % (name, healthy, name, total)
        for name, healthy, total in ((b"a", 2, 2), (b"b", 1, 2), (b"c", 0, 2), (b"d", 0, 0))
    )
    collector = scripted(tmp_path, FINE + members)
    asyncio.run(collector.poll())
    assert collector.notices() == (
        "Origin b: 1 of 2 endpoints are down.",
        "Origin c has no healthy endpoint (2 are down).",
        "Origin d has no address: its name does not resolve.",
    )


def test_one_poll_after_a_flood_began_only_a_share_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(requests: int) -> bytes:
        return FINE + b"http.http.downstream_rq_total: %d\nhttp.taste.downstream_rq_total: 9\n" % (
            requests
        )

    at_s = [0.0]
    clock = SystemClock()
    monkeypatch.setattr(clock, "monotonic_s", lambda: at_s[0])
    recording = Recording(tmp_path)
    collector = Collector(
        Script(*(seen(number) for number in (0, 100, 20_100, 20_100))),
        tmp_path / "access.ndjson",
        clock,
        NodeName("local"),
        recording=recording,
    )

    async def shares() -> list[float]:
        found = []
        for _ in range(4):
            await collector.poll()
            found.append(recording.shares.ordinary)
            at_s[0] += STATS_POLL_INTERVAL_S
        return found

    assert asyncio.run(shares()) == [1.0, 1.0, 0.125, 1.0]


@pytest.mark.parametrize(
    ("free", "number", "words"),
    [
        (5 << 20, 0, "is nearly full: 5 MiB free"),
        (9, 0, "is full: access records and logs are lost"),
        (5 << 20, errno.ENOSPC, "is full: access records and logs are lost"),
        (1 << 40, errno.EROFS, "cannot be written (Read-only file system): access records and"),
    ],
)
def test_a_disk_that_is_full_or_failed_is_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, number: int, words: str
) -> None:
    monkeypatch.setattr(rotation, "free_bytes", lambda _directory: free)
    (tmp_path / "access.ndjson.1").write_text("{}\n")

    def failing(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    if number:
        monkeypatch.setattr(os, "write", failing)
    if number == errno.EROFS:
        monkeypatch.setattr(Path, "unlink", failing)
    collector = scripted(tmp_path, FINE)
    asyncio.run(collector.poll())
    assert words in collector.notices()[0]
    assert not (tmp_path / ".probe").exists() or number == errno.EROFS


def test_a_disk_with_room_is_no_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "free_bytes", lambda _directory: 1 << 40)
    collector = scripted(tmp_path, FINE)
    asyncio.run(collector.poll())
    assert not [notice for notice in collector.notices() if "disk" in notice]


def test_windows_wait_for_control_in_a_bounded_ring_and_go_once_accepted(tmp_path: Path) -> None:
    collector = scripted(tmp_path, FINE)

    async def scenario() -> None:
        for number in range(WINDOWS_KEPT_MAX + 5):
            await commit(collector, number)

    asyncio.run(scenario())
    kept = collector.windows()
    assert len(kept) == WINDOWS_KEPT_MAX
    assert kept[-1].generation == WINDOWS_KEPT_MAX + 3
    collector.accepted(kept[:2])
    assert collector.windows() == kept[2:]


def test_run_commits_what_serves_at_once(tmp_path: Path) -> None:
    collector = scripted(tmp_path, FINE)

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(collector.run())
            for number in (1, 2):
                collector.serving(ReleaseId(f"r{number}"), Generation(number))
                await asyncio.to_thread(
                    wait_until,
                    lambda wanted=f"r{number}": collector._builder.release == wanted,
                    what=f"r{number} counts",
                )
            running.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 10))
    assert [window.release for window in collector.windows()] == ["r1"]


def test_a_hurried_collector_closes_short_windows_with_processor_time_and_tells_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seawall.telemetry.collector.TRIAL_STATS_INTERVAL_S", 0.05)
    used, seen = iter(range(10_000)), list[Window]()
    collector = Collector(
        Script(FINE),
        tmp_path / "access.ndjson",
        SystemClock(),
        NodeName("local"),
        slot="candidate",
        records=False,
        cpu_s=lambda: float(next(used)),
        seen=seen.append,
    )

    async def scenario() -> None:
        collector.serving(ReleaseId("r1"), Generation(7))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(collector.run())
            collector.hurry(on=True)
            await asyncio.to_thread(wait_until, lambda: len(seen) >= 3, what="three windows")
            running.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 10))
    assert collector.windows()[:3] == tuple(seen[:3])
    assert {(window.slot, window.generation) for window in seen} == {("candidate", 7)}
    assert seen[2].edge["cpu_s"] >= 1.0


def _stats(watched: Watched) -> list[str]:
    return watched.envoy.admin("/stats").decode().splitlines()
