"""Windows against a simulated Envoy whose counters only grow and start again with its process."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.ids import Generation, NodeName, ReleaseId, SiteName
from seawall.limits import LATENCY_SAMPLES_MIN, WINDOW_DURATION_S_MAX
from seawall.telemetry.measures import LATENCY_BOUNDS_MS
from seawall.telemetry.stats import Histogram, Reading, parse
from seawall.telemetry.windows import WindowBuilder, quantile_s

SHOP = SiteName("shop")
R1, R2 = ReleaseId("r1"), ReleaseId("r2")


@dataclass
class Envoy:
    """What Envoy would count; `lines` is its answer."""

    uptime_s: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    times_ms: list[float] = field(default_factory=list)

    def serve(self, count: int, *, status: str = "2xx", site: str = "shop") -> None:
        for name in ("upstream_rq_completed", f"upstream_rq_{status}"):
            self._add(f"vhost.{site}.route.{site}.{name}", count)
        self._add("http.http.downstream_rq_total", count)

    def restart(self) -> None:
        self.uptime_s, self.counters, self.times_ms = 0, {}, []

    def reading(self, *more: str) -> Reading:
        lines = ["server.live: 1", f"server.uptime: {self.uptime_s}", *more]
        lines += [f"{name}: {count}" for name, count in self.counters.items() if count]
        if self.times_ms:
            buckets = " ".join(
                f"B{bound}(0,{sum(t <= bound for t in self.times_ms)})" for bound in (10, 100, 1000)
            )
            lines.append(f"vhost.shop.route.shop.upstream_rq_time: {buckets}")
        return parse("\n".join([*lines, ""]).encode())

    def _add(self, name: str, count: int) -> None:
        self.counters[name] = self.counters.get(name, 0) + count


def builder(at_s: float = 0.0) -> WindowBuilder:
    return WindowBuilder(NodeName("local"), "stable", at_s=at_s)


def commit(windows: WindowBuilder, at_s: float, release: ReleaseId = R1) -> object:
    return windows.commit(release, Generation(1), at_s=at_s, wall_s=at_s, observed=True)


def test_a_window_holds_growth_and_not_totals() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    envoy.serve(50)
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(7)
    envoy.serve(2, status="5xx")
    windows.observe(envoy.reading(), at_s=6)
    window = windows.close(at_s=6, wall_s=1006)
    assert window is not None
    counts = window.sites[SHOP]
    assert (counts.requests, counts.status_2xx, counts.status_5xx) == (9, 7, 2)
    assert window.edge["requests"] == 9
    assert (window.release, window.duration_s) == (R1, 5)


def test_an_envoy_younger_than_the_builder_is_counted_from_its_start() -> None:
    envoy, windows = Envoy(uptime_s=3), builder()
    commit(windows, 1)
    envoy.serve(5)
    windows.observe(envoy.reading(), at_s=4)
    window = windows.close(at_s=4, wall_s=4)
    assert window is not None
    assert window.sites[SHOP].requests == 5


def test_a_commit_closes_the_window_so_none_mixes_two_releases() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(4)
    windows.observe(envoy.reading(), at_s=2)
    first = windows.commit(R2, Generation(2), at_s=2, wall_s=2, observed=True)
    envoy.serve(6)
    windows.observe(envoy.reading(), at_s=3)
    second = windows.close(at_s=3, wall_s=3)
    assert first is not None
    assert second is not None
    assert (first.release, first.sites[SHOP].requests) == (R1, 4)
    assert (second.release, second.sites[SHOP].requests) == (R2, 6)


def test_growth_across_a_commit_that_nobody_observed_belongs_to_neither_release() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(4)
    windows.commit(R2, Generation(2), at_s=2, wall_s=2, observed=False)
    envoy.serve(6)
    windows.observe(envoy.reading(), at_s=3)
    envoy.serve(1)
    windows.observe(envoy.reading(), at_s=4)
    window = windows.close(at_s=4, wall_s=4)
    assert window is not None
    assert window.sites[SHOP].requests == 1


def test_nothing_is_reported_before_a_release_serves() -> None:
    windows = builder()
    windows.observe(Envoy().reading(), at_s=1)
    assert windows.close(at_s=2, wall_s=2) is None


@pytest.mark.parametrize("at_s", [1.0, 0.5])
def test_a_late_or_duplicate_reading_is_ignored(at_s: float) -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    assert windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(4)
    assert not windows.observe(envoy.reading(), at_s=at_s)
    assert windows.close(at_s=2, wall_s=2) is None


def test_time_in_which_envoy_was_not_read_is_no_time_without_requests() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(4)
    windows.observe(envoy.reading(), at_s=11)
    assert windows.close(at_s=11, wall_s=11) is not None
    envoy.serve(120)
    assert [windows.close(at_s=at_s, wall_s=at_s) for at_s in (21, 31, 41)] == [None] * 3
    windows.observe(envoy.reading(), at_s=51)
    window = windows.close(at_s=51, wall_s=1051)
    assert window is not None
    assert (window.edge["requests"], window.start_s, window.duration_s) == (120, 1011, 40)
    envoy.serve(3)
    windows.observe(envoy.reading(), at_s=10_051)
    window = windows.close(at_s=10_051, wall_s=20_000)
    assert window is not None
    assert window.duration_s == WINDOW_DURATION_S_MAX
    assert window.start_s + window.duration_s == 20_000


def test_a_commit_begins_a_window_also_where_nothing_was_read_before() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    assert windows.commit(R2, Generation(2), at_s=31, wall_s=31, observed=False) is None
    windows.observe(envoy.reading(), at_s=32)
    envoy.serve(5)
    windows.observe(envoy.reading(), at_s=36)
    window = windows.close(at_s=36, wall_s=36)
    assert window is not None
    assert (window.release, window.edge["requests"], window.duration_s) == (R2, 5, 5)


def test_a_reading_cut_short_is_ignored_and_the_next_one_catches_up() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(4)
    assert not windows.observe(parse(b"server.live: 1\nvhost.shop.route"), at_s=2)
    windows.observe(envoy.reading(), at_s=3)
    window = windows.close(at_s=3, wall_s=3)
    assert window is not None
    assert window.sites[SHOP].requests == 4


def test_a_site_with_a_garbled_counter_is_absent_and_counted_in_the_next_window() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(4)
    hidden = envoy.counters.pop("vhost.shop.route.shop.upstream_rq_2xx")
    windows.observe(envoy.reading("vhost.shop.route.shop.upstream_rq_2xx: nan"), at_s=2)
    first = windows.close(at_s=2, wall_s=2)
    envoy.counters["vhost.shop.route.shop.upstream_rq_2xx"] = hidden
    windows.observe(envoy.reading(), at_s=3)
    second = windows.close(at_s=3, wall_s=3)
    assert first is not None
    assert second is not None
    assert SHOP not in first.sites
    assert (second.sites[SHOP].requests, second.sites[SHOP].status_2xx) == (4, 4)


def test_a_garbled_measure_is_absent_and_not_zero() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    commit(windows, 1)
    windows.observe(envoy.reading("http.http.downstream_rq_5xx: ?"), at_s=2)
    window = windows.close(at_s=2, wall_s=2)
    assert window is not None
    assert "responses_5xx" not in window.edge
    assert window.edge["responses_4xx"] == 0


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("serve"), st.integers(0, 50)),
        st.tuples(st.sampled_from(["observe", "close", "restart", "commit"]), st.just(0)),
    ),
    max_size=40,
)


@given(ACTIONS)
def test_windows_add_up_to_what_was_seen_and_are_never_negative(
    actions: list[tuple[str, int]],
) -> None:
    envoy, windows = Envoy(), builder()
    commit(windows, 0)
    closed, seen, unseen = [], 0, 0
    for at_s, (action, count) in enumerate([*actions, ("observe", 0), ("close", 0)], start=1):
        envoy.uptime_s += 1
        if action == "serve":
            envoy.serve(count)
            unseen += count
        elif action == "restart":
            envoy.restart()
            unseen = 0  # what an Envoy counted after its last reading dies with it
        elif action == "observe":
            windows.observe(envoy.reading(), at_s=at_s)
            seen, unseen = seen + unseen, 0
        elif action == "commit":
            closed.append(commit(windows, at_s))
        else:
            closed.append(windows.close(at_s=at_s, wall_s=at_s))
    found = [window.sites[SHOP] for window in closed if window and SHOP in window.sites]
    assert all(counts.requests >= 0 and counts.status_2xx >= 0 for counts in found)
    total = sum(counts.requests for counts in found)
    # An Envoy that restarted twice between two readings may have overtaken its old counters.
    restarts = sum(action == "restart" for action, _ in actions)
    assert total == seen if restarts == 0 else total <= seen


def test_latency_is_that_of_the_window_and_not_of_all_time() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    envoy.times_ms = [900.0] * 1000
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(LATENCY_SAMPLES_MIN)
    envoy.times_ms += [5.0] * LATENCY_SAMPLES_MIN
    windows.observe(envoy.reading(), at_s=2)
    window = windows.close(at_s=2, wall_s=2)
    assert window is not None
    assert window.sites[SHOP].latency_p95_s == pytest.approx(0.0095)


def test_processor_time_is_that_of_the_window() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1, cpu_s=50.0)
    commit(windows, 1)
    windows.observe(envoy.reading(), at_s=2, cpu_s=50.25)
    windows.observe(envoy.reading(), at_s=3, cpu_s=50.5)
    window = windows.close(at_s=3, wall_s=3)
    assert window is not None
    assert window.edge["cpu_s"] == pytest.approx(0.5)


def test_processor_time_of_a_new_process_counts_from_zero() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1, cpu_s=50.0)
    commit(windows, 1)
    envoy.restart()
    windows.observe(envoy.reading(), at_s=2, cpu_s=0.125)
    window = windows.close(at_s=2, wall_s=2)
    assert window is not None
    assert window.edge["cpu_s"] == 0.125


def test_processor_time_that_was_not_read_is_absent_and_not_zero() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1, cpu_s=50.0)
    commit(windows, 1)
    windows.observe(envoy.reading(), at_s=2)
    first = windows.close(at_s=2, wall_s=2)
    windows.observe(envoy.reading(), at_s=3, cpu_s=51.0)
    second = windows.close(at_s=3, wall_s=3)
    assert first is not None
    assert second is not None
    assert "cpu_s" not in first.edge
    # The growth since the last known value belongs to two windows: it is left out.
    assert "cpu_s" not in second.edge


def test_an_age_that_falls_with_a_clock_that_is_set_back_makes_no_new_process() -> None:
    envoy, windows = Envoy(uptime_s=7_200), builder()
    envoy.serve(1_000_000)
    envoy.serve(5_000, status="5xx")
    windows.observe(envoy.reading(), at_s=1, cpu_s=50.0)
    commit(windows, 1)
    envoy.uptime_s -= 3_600
    envoy.serve(7)
    windows.observe(envoy.reading(), at_s=6, cpu_s=50.5)
    window = windows.close(at_s=6, wall_s=6)
    assert window is not None
    counts = window.sites[SHOP]
    assert (counts.requests, counts.status_5xx, window.edge["requests"]) == (7, 0, 7)
    assert window.edge["cpu_s"] == 0.5
    assert windows.totals["requests"] == 7


def test_what_a_process_counted_in_its_trial_is_not_counted_again_after_a_swap() -> None:
    old, windows = Envoy(uptime_s=7_200), builder()
    old.serve(1_000)
    windows.observe(old.reading(), at_s=100, cpu_s=50.0)
    commit(windows, 100)
    new = Envoy(uptime_s=600)
    new.serve(5_000)
    new.serve(40, status="5xx")
    windows.observe(new.reading(), at_s=105, cpu_s=9.0)
    before = windows.commit(R2, Generation(2), at_s=105, wall_s=105, observed=True)
    new.uptime_s += 5
    new.serve(7)
    windows.observe(new.reading(), at_s=110, cpu_s=9.25)
    after = windows.close(at_s=110, wall_s=110)
    assert before is not None
    assert after is not None
    assert SHOP not in before.sites
    assert "cpu_s" not in before.edge
    assert (after.sites[SHOP].requests, after.edge["cpu_s"]) == (7, 0.25)
    assert windows.totals["requests"] == 7


def test_an_age_under_zero_is_unknown() -> None:
    envoy, windows = Envoy(uptime_s=12), builder()
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(7)
    envoy.uptime_s = (1 << 64) - 3_575  # as Envoy writes it
    windows.observe(envoy.reading(), at_s=6)
    window = windows.close(at_s=6, wall_s=6)
    assert window is not None
    assert "uptime_s" not in window.edge
    assert window.edge["requests"] == 7


def test_a_new_process_that_is_older_than_the_last_reading_of_the_old_one_is_told_by_its_work() -> (
    None
):
    envoy, windows = Envoy(uptime_s=2), builder(at_s=100)
    envoy.serve(3)
    windows.observe(envoy.reading(), at_s=103, cpu_s=1.0)
    commit(windows, 103)
    envoy.restart()
    envoy.uptime_s = 4
    envoy.serve(5)
    windows.observe(envoy.reading(), at_s=108, cpu_s=0.5)
    window = windows.close(at_s=108, wall_s=108)
    assert window is not None
    assert (window.sites[SHOP].requests, window.edge["cpu_s"]) == (5, 0.5)


def test_latencies_are_counted_by_bucket_where_the_bounds_are_envoys() -> None:
    cumulative = [0, 0, 3, *[10] * (len(LATENCY_BOUNDS_MS) - 3)]
    text = " ".join(
        f"B{bound:g}(0,{count})" for bound, count in zip(LATENCY_BOUNDS_MS, cumulative, strict=True)
    )
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(10)
    names = ("vhost.shop.route.shop.upstream_rq_time", "http.http.downstream_rq_time")
    windows.observe(envoy.reading(*(f"{name}: {text}" for name in names)), at_s=2)
    window = windows.close(at_s=2, wall_s=2)
    assert window is not None
    assert window.sites[SHOP].latency_buckets == (0, 0, 3, 7)
    assert window.latency_buckets == (0, 0, 3, 7)


def test_latencies_in_other_buckets_than_envoys_are_not_counted() -> None:
    envoy, windows = Envoy(uptime_s=100), builder()
    windows.observe(envoy.reading(), at_s=1)
    commit(windows, 1)
    envoy.serve(1)
    envoy.times_ms += [5.0]
    windows.observe(envoy.reading(), at_s=2)
    window = windows.close(at_s=2, wall_s=2)
    assert window is not None
    assert window.sites[SHOP].latency_buckets == ()


def test_too_few_requests_have_no_percentile() -> None:
    few = Histogram((10.0, 100.0), (1, LATENCY_SAMPLES_MIN - 1))
    assert quantile_s(few, 0.5) is None
    assert quantile_s(None, 0.5) is None


@given(st.lists(st.integers(0, 100), min_size=4, max_size=4), st.floats(0.01, 1))
def test_a_percentile_lies_within_its_bucket(growth: list[int], share: float) -> None:
    counts = tuple(sum(growth[: n + 1]) for n in range(4))
    value_s = quantile_s(Histogram((1.0, 10.0, 100.0, 1000.0), counts), share)
    if counts[-1] >= LATENCY_SAMPLES_MIN:
        assert value_s is not None
        assert 0 <= value_s <= 1.0


def test_what_origins_of_one_site_count_is_counted_for_the_site_and_for_the_edge() -> None:
    windows = builder()
    windows.observe(parse(b"server.uptime: 0\nserver.live: 1\n"), at_s=1)
    commit(windows, 1)
    lines = [
        "server.uptime: 9",
        "cluster.site/shop.upstream_rq_completed: 5",
        "cluster.site/shop.upstream_rq_5xx: 2",
        "cluster.site/shop.upstream_rq_504: 2",
        "cluster.site/shop.upstream_cx_connect_fail: 1",
        "cluster.site/shop/api.upstream_rq_completed: 30",
        "cluster.site/shop/api.upstream_rq_time: B10(0,300) B100(0,300)",
        "vhost.shop.route.shop.upstream_rq_completed: 100",
        "cluster.shared.upstream_rq_completed: 100",
        "cluster.shared.upstream_rq_504: 4",
        "server.live: 1",
    ]
    windows.observe(parse("\n".join([*lines, ""]).encode()), at_s=10)
    window = windows.close(at_s=10, wall_s=10)
    assert window is not None
    counts = window.sites[SiteName("shop")]
    assert (counts.requests, counts.status_5xx, counts.timeouts) == (135, 2, 2)
    assert counts.latency_p50_s is not None
    assert window.edge["origin_timeouts"] == 6
    assert window.edge["origin_connect_failures"] == 1


def test_a_garbled_count_of_a_private_origin_leaves_only_its_site_unknown() -> None:
    windows = builder()
    windows.observe(parse(b"server.uptime: 0\nserver.live: 1\n"), at_s=1)
    commit(windows, 1)
    counted = "server.uptime: 9\ncluster.site/{}.upstream_rq_completed: 5\n"
    garbled = "cluster.site/shop.upstream_rq_5xx: nan\nserver.live: 1\n"
    text = counted.format("shop") + counted.format("blog") + garbled
    windows.observe(parse(text.encode()), at_s=10)
    window = windows.close(at_s=10, wall_s=10)
    assert window is not None
    assert set(window.sites) == {"blog"}
