"""A busy node records a share of its ordinary requests: how it follows, and that Envoy obeys."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.build import edge, origin
from envoy_harness import EnvoyProcess, Origin, Response, fetch, running_envoy
from helpers import free_port, wait_until
from seawall.compiler.compile import compile_edge
from seawall.compiler.names import RUNTIME_ACCESS_LOG_NODE_SAMPLE
from seawall.compiler.static import static_bootstrap
from seawall.limits import ACCESS_RECORDS_PER_S_MAX
from seawall.telemetry.recording import Recording, RequestRate, record_share


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
    rate.read(7_000, at_s=100.0)
    assert rate.per_s is None
    rate.read(7_050, at_s=105.0)
    assert rate.per_s == 10
    rate.read(107_050, at_s=110.0)
    assert rate.per_s == 20_000
    rate.read(107_050, at_s=115.0)
    assert rate.per_s == 0


def test_two_polls_at_once_are_one() -> None:
    rate = RequestRate()
    rate.read(0, at_s=100.0)
    rate.read(500, at_s=100.01)
    assert rate.per_s is None
    rate.read(1_000, at_s=102.0)
    assert rate.per_s == 500


def test_a_directory_that_cannot_be_written_keeps_the_share(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "gone")
    with pytest.raises(OSError, match="No such file"):
        recording.follow(ACCESS_RECORDS_PER_S_MAX * 10)
    assert recording.share == 1.0


def test_envoy_records_the_share_and_every_error() -> None:
    port = free_port()
    with Origin() as server:
        made = edge(origins=(origin("app", server.port),), http=(port,))
        with running_envoy(static_bootstrap(compile_edge(made), admin_path=None)) as envoy:
            recording = Recording(envoy.directory)
            records = envoy.directory / "access.ndjson"

            recording.follow(ACCESS_RECORDS_PER_S_MAX * 1_000_000)
            wait_until(lambda: _in_force(envoy) == "1", what="Envoy reads the small share")
            for _ in range(50):
                assert _get(port, "shop.test", "/").status == 200
            assert _get(port, "unknown.test", "/").status == 421
            recording.follow(1)
            wait_until(lambda: _in_force(envoy) == "1000000", what="Envoy reads the whole share")
            assert _get(port, "shop.test", "/back").status == 200
            wait_until(lambda: b"/back" in records.read_bytes(), what="a record is written")
            statuses = [json.loads(line)["status"] for line in records.read_bytes().splitlines()]

    assert statuses.count(200) <= 3, "the share was not obeyed"
    assert 421 in statuses, "an error went unrecorded"


def _get(port: int, host: str, path: str) -> Response:
    return fetch(port, f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())


def _in_force(envoy: EnvoyProcess) -> str:
    entries = json.loads(envoy.admin("/runtime?format=json"))["entries"]
    entry = entries.get(RUNTIME_ACCESS_LOG_NODE_SAMPLE, {})
    return str(entry.get("final_value"))
