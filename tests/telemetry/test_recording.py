"""A busy node records a share of its ordinary requests: how it follows, and that Envoy obeys."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.build import edge, origin, route, site
from envoy_harness import EnvoyProcess, Origin, Response, fetch, running_envoy
from helpers import free_port, wait_until
from seawall.compiler.compile import compile_edge
from seawall.compiler.names import (
    RUNTIME_ACCESS_LOG_NODE_FAILED,
    RUNTIME_ACCESS_LOG_NODE_REFUSED,
    RUNTIME_ACCESS_LOG_NODE_SAMPLE,
    RUNTIME_NODE_DIRECTORY,
)
from seawall.compiler.static import static_bootstrap
from seawall.limits import ACCESS_RECORDS_PER_S_MAX
from seawall.model import FixedResponse, PathExact
from seawall.telemetry.recording import ALL, Kinds, Recording, RequestRate, kinds, record_share


@given(st.floats(0, 1e7), st.floats(0.0001, 1))
def test_the_bound_holds_and_never_nothing_is_recorded(rate: float, share: float) -> None:
    for _ in range(3):
        share = record_share(rate, share)
    assert 0 < share <= 1
    assert rate * share <= ACCESS_RECORDS_PER_S_MAX * 1.25 + 1


def test_the_busier_the_node_the_fewer_records() -> None:
    records = [rate * record_share(rate, 1.0) for rate in (1_000, 2_000, 10_000, 100_000)]
    assert [round(per_s) for per_s in records] == [1_000, 707, 316, 100]


def test_quiet_traffic_is_recorded_whole() -> None:
    assert record_share(10, 1.0) == 1.0
    assert record_share(0, 0.05) == 1.0


def test_the_share_does_not_flap_at_the_bound() -> None:
    share = record_share(ACCESS_RECORDS_PER_S_MAX * 4, 1.0)
    assert share == 0.125
    assert record_share(ACCESS_RECORDS_PER_S_MAX * 4.4, share) == share
    assert record_share(ACCESS_RECORDS_PER_S_MAX * 0.9, share) == share
    assert record_share(ACCESS_RECORDS_PER_S_MAX * 0.5, share) == 1.0


def test_the_rate_is_that_of_the_last_poll_alone() -> None:
    rate = RequestRate()
    rate.read(Kinds(7_000, 30, 0), at_s=100.0)
    assert rate.per_s is None
    rate.read(Kinds(7_050, 30, 5), at_s=105.0)
    assert rate.per_s == Kinds(10, 0, 1)
    rate.read(Kinds(107_050, 50_030, 5), at_s=110.0)
    assert rate.per_s == Kinds(20_000, 10_000, 0)
    rate.read(Kinds(107_050, 50_030, 5), at_s=115.0)
    assert rate.per_s == Kinds()


def test_an_answer_that_is_counted_after_its_request_makes_no_rate_negative() -> None:
    rate = RequestRate()
    rate.read(Kinds(100, 0, 0), at_s=100.0)
    rate.read(Kinds(90, 10, 0), at_s=110.0)
    assert rate.per_s == Kinds(0, 1, 0)


def test_what_clients_give_up_is_recorded_like_what_is_refused() -> None:
    totals = {"requests": 100, "responses_4xx": 20, "responses_5xx": 5, "client_resets": 3}
    assert kinds(totals) == Kinds(ordinary=75, refused=23, failed=5)


def test_a_flood_of_one_kind_leaves_the_records_of_the_others_alone(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    flood = Kinds(ordinary=50, refused=ACCESS_RECORDS_PER_S_MAX * 4, failed=2)
    recording.follow(flood)
    assert recording.shares == Kinds(1.0, 0.125, 1.0)
    assert recording.in_words(flood) == "12.5% of 4,000 refused ones (4xx) a second"
    recording.follow(Kinds(50, 0, 2))
    assert recording.shares == ALL
    assert recording.in_words(Kinds(50, 0, 2)) == ""


def test_what_a_time_before_a_swap_left_in_a_slot_is_put_right(tmp_path: Path) -> None:
    quiet, flood = Kinds(ordinary=50), Kinds(ordinary=ACCESS_RECORDS_PER_S_MAX * 4)
    recording = Recording(tmp_path / "stable")
    for slot in ("a", "b"):
        (tmp_path / slot).mkdir()
    share = tmp_path / "stable" / RUNTIME_NODE_DIRECTORY / RUNTIME_ACCESS_LOG_NODE_SAMPLE
    (tmp_path / "stable").symlink_to("a")
    recording.follow(flood)
    _swap(tmp_path / "stable", "b")
    recording.follow(flood)
    assert share.read_text() == "125000"
    recording.follow(quiet)
    _swap(tmp_path / "stable", "a")
    assert share.read_text() == "125000"
    recording.follow(quiet)
    assert share.read_text() == "1000000"


def _swap(link: Path, slot: str) -> None:
    link.unlink()
    link.symlink_to(slot)


def test_an_agent_that_takes_over_after_a_flood_records_everything_again(tmp_path: Path) -> None:
    Recording(tmp_path).follow(Kinds(ordinary=ACCESS_RECORDS_PER_S_MAX * 4))
    share = tmp_path / RUNTIME_NODE_DIRECTORY / RUNTIME_ACCESS_LOG_NODE_SAMPLE
    assert share.read_text() == "125000"
    Recording(tmp_path).follow(Kinds(ordinary=50))
    assert share.read_text() == "1000000"


def test_two_polls_at_once_are_one() -> None:
    rate = RequestRate()
    rate.read(Kinds(0), at_s=100.0)
    rate.read(Kinds(500), at_s=100.01)
    assert rate.per_s is None
    rate.read(Kinds(1_000), at_s=102.0)
    assert rate.per_s == Kinds(500)


def test_a_directory_that_cannot_be_written_keeps_the_share(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "gone")
    with pytest.raises(OSError, match="No such file"):
        recording.follow(Kinds(ACCESS_RECORDS_PER_S_MAX * 10))
    assert recording.shares == ALL


FLOOD_PER_S = ACCESS_RECORDS_PER_S_MAX * 1_000_000
"""So many that of some hundred requests none is recorded, but for an unlikely few."""


@pytest.mark.parametrize(
    ("flood", "key", "status"),
    [
        (Kinds(ordinary=FLOOD_PER_S), RUNTIME_ACCESS_LOG_NODE_SAMPLE, 200),
        (Kinds(refused=FLOOD_PER_S), RUNTIME_ACCESS_LOG_NODE_REFUSED, 421),
        (Kinds(failed=FLOOD_PER_S), RUNTIME_ACCESS_LOG_NODE_FAILED, 503),
    ],
)
def test_envoy_records_a_share_of_the_kind_that_floods_and_all_of_the_others(
    flood: Kinds, key: str, status: int
) -> None:
    port = free_port()
    with Origin() as server:
        failing = route("shop/fail", PathExact("/fail"), FixedResponse(503))
        shop = site("shop", failing, route("shop/all"))
        made = edge(shop, origins=(origin("app", server.port),), http=(port,))
        asked = {200: ("shop.test", "/"), 421: ("unknown.test", "/"), 503: ("shop.test", "/fail")}
        with running_envoy(static_bootstrap(compile_edge(made), admin_path=None)) as envoy:
            recording = Recording(envoy.directory)
            records = envoy.directory / "access.ndjson"

            recording.follow(flood)
            wait_until(lambda: _in_force(envoy, key) == "1", what="Envoy reads the small share")
            for expected, (host, path) in asked.items():
                for _ in range(50 if expected == status else 2):
                    assert _get(port, host, path).status == expected
            recording.follow(Kinds())
            wait_until(lambda: _in_force(envoy, key) == "1000000", what="Envoy reads the whole")
            host, path = asked[status]
            assert _get(port, host, f"{path}?back", "seen-last").status == status
            wait_until(lambda: b"seen-last" in records.read_bytes(), what="a record is written")
            statuses = [json.loads(line)["status"] for line in records.read_bytes().splitlines()]

    assert statuses.count(status) <= 3, "the share was not obeyed"
    for other in asked.keys() - {status}:
        assert statuses.count(other) == 2, "a kind that did not flood went unrecorded"


def _get(port: int, host: str, path: str, agent: str = "test") -> Response:
    head = f"GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {agent}\r\n\r\n"
    return fetch(port, head.encode())


def _in_force(envoy: EnvoyProcess, key: str) -> str:
    entries = json.loads(envoy.admin("/runtime?format=json"))["entries"]
    return str(entries.get(key, {}).get("final_value"))
