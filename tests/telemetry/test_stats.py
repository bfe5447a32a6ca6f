import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from seawall.limits import STATS_GARBLED_MAX, STATS_LINES_MAX
from seawall.telemetry.measures import (
    MEASURES,
    SITE_COUNTERS,
    SITE_LATENCY,
    edge_source,
    split_site,
    stats_filter,
)
from seawall.telemetry.stats import Histogram, histogram, parse

WHOLE = b"""cluster.api.membership_healthy: 1
cluster.api.membership_total: 3
server.live: 1
vhost.shop.route.shop.upstream_rq_2xx: 7
server.version_text: "x"
http.http.downstream_rq_time: B0.5(0,1) B1(0,4) B1.8e+06(0,9)
http.https.downstream_rq_time: No recorded values
"""


def test_numbers_histograms_and_text_are_told_apart() -> None:
    reading = parse(WHOLE)
    assert reading.whole
    assert not reading.garbled
    assert reading.value("vhost.shop.route.shop.upstream_rq_2xx") == 7
    assert list(reading.histograms) == ["http.http.downstream_rq_time"]
    assert list(reading.origins()) == [("api", 1, 3)]


@pytest.mark.parametrize("end", ["update_success", "update_failure"])
def test_an_origin_whose_name_never_resolved_has_no_endpoint(end: str) -> None:
    reading = parse(WHOLE + b"cluster.lost.%s: 9\ncluster.api.%s: 2\n" % ((end.encode(),) * 2))
    assert list(reading.origins()) == [("api", 1, 3), ("lost", 0, 0)]


def test_a_counter_absent_from_a_whole_reading_was_never_written() -> None:
    assert parse(WHOLE).value("vhost.shop.route.shop.upstream_rq_5xx") == 0


# A cut exactly at the end of a line cannot be seen here: the admin client refuses short answers.
@pytest.mark.parametrize("cut", [n for n in range(0, len(WHOLE), 7) if WHOLE[n - 1 : n] != b"\n"])
def test_an_answer_cut_short_is_not_whole_and_its_absent_counters_are_unknown(cut: int) -> None:
    reading = parse(WHOLE[:cut])
    assert not reading.whole
    assert reading.value("vhost.none.route.none.upstream_rq_5xx") is None


@pytest.mark.parametrize(
    "value", ["nan", "NaN", "-1", "1.5", "1e9", "", "½", "12x", "9" * 30, str((1 << 64) - 1)]
)
def test_a_value_that_makes_no_sense_is_named_and_never_zero(value: str) -> None:
    reading = parse(f"server.live: 1\nserver.uptime: {value}\n".encode())
    assert reading.garbled == {"server.uptime"}
    assert reading.value("server.uptime") is None


@given(st.binary(max_size=400))
def test_no_bytes_raise(body: bytes) -> None:
    reading = parse(body)
    assert len(reading.garbled) <= STATS_GARBLED_MAX
    for text in reading.histograms.values():
        histogram(text)


def test_an_endless_answer_is_read_up_to_its_bound_and_is_not_whole() -> None:
    reading = parse(b"server.live: 1\n" + b"x: 1\n" * (STATS_LINES_MAX + 1))
    assert not reading.whole


def test_a_histogram_keeps_the_cumulative_totals() -> None:
    assert histogram("B0.5(9,1) B1(9,4) B1.8e+06(9,9)") == Histogram((0.5, 1.0, 1.8e6), (1, 4, 9))


@pytest.mark.parametrize(
    "text",
    ["B", "B1(2)", "B1(1,5) B2(1,4)", "B2(1,1) B1(1,1)", "B1(1,1) x", "Bnan(1,1)", "B1..2(1,1)"],
)
def test_a_histogram_that_makes_no_sense_is_unknown(text: str) -> None:
    assert histogram(text) is None


def test_a_site_is_read_from_the_route_level_name() -> None:
    assert split_site("vhost.shop.route.shop.upstream_rq_time") == ("shop", "upstream_rq_time")
    assert split_site("vhost.a.b.route.a.b.upstream_rq_5xx") == ("a.b", "upstream_rq_5xx")
    assert split_site("cluster.shop.upstream_rq_time") is None
    assert split_site("vhost.shop.vcluster.other.upstream_rq_5xx") is None
    assert split_site("cluster.site/shop.upstream_rq_5xx") == ("shop", "upstream_rq_5xx")
    assert split_site("cluster.site/shop/api.upstream_rq_time") == ("shop", "upstream_rq_time")
    assert split_site("cluster.site/shop.circuit_breakers.default.cx_open") is None
    assert split_site("cluster.shop.upstream_rq_5xx") is None


def test_listeners_and_origins_are_summed_but_not_envoys_own() -> None:
    assert edge_source("http.https.downstream_rq_total") == "http.*.downstream_rq_total"
    assert edge_source("cluster.a.b.upstream_rq_retry") == "cluster.*.upstream_rq_retry"
    assert edge_source("http.admin.downstream_rq_total") == "http.admin.downstream_rq_total"
    assert edge_source("server.live") == "server.live"
    assert edge_source("http.https.lua.errors") == "http.*.lua.errors"
    assert edge_source("http.taste.lua.errors") == "http.taste.lua.errors"
    assert edge_source("cluster.x.lua.upstream_rq_retry") == "cluster.*.upstream_rq_retry"


def test_every_measure_has_its_own_name_and_source() -> None:
    assert len({m.name for m in MEASURES}) == len(MEASURES)
    assert len({m.source for m in MEASURES}) == len(MEASURES)


def test_the_filter_lets_through_what_is_read_and_little_else() -> None:
    wanted = [m.source.replace("*", "some.name") for m in MEASURES]
    wanted += [f"vhost.a.b.route.a.b.{end}" for end in (*SITE_COUNTERS, SITE_LATENCY)]
    wanted += [f"cluster.site/shop/api.{end}" for end in (*SITE_COUNTERS, SITE_LATENCY)]
    wanted += ["cluster.app.membership_healthy", "cluster.app.membership_total", "server.live"]
    wanted += ["cluster.site/shop/api.update_success", "cluster.app.update_failure"]
    wanted += ["http.https.downstream_rq_time"]
    passes = re2.compile(stats_filter())
    assert [name for name in wanted if not passes.search(name)] == []
    for name in ("cluster.app.upstream_rq_time", "cluster.app.upstream_rq_200", "x.server.live"):
        assert not passes.search(name)


def test_a_version_which_is_a_hash_is_no_garbled_number() -> None:
    """Of half of all releases it is larger than any number that counts."""
    reading = parse(f"server.live: 1\nlistener_manager.lds.version: {(1 << 64) - 1}\n".encode())
    assert reading.whole
    assert not reading.garbled
