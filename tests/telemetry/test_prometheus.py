import re
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tools.metrics_page import metrics_markdown

from seawall.ids import Generation, NodeName, ReleaseId, SiteName
from seawall.limits import METRIC_SITES_MAX, METRIC_SLOT_BEHIND_MAX, METRIC_TIME_AGE_S_MAX
from seawall.telemetry.measures import MEASURES
from seawall.telemetry.prometheus import (
    METRICS,
    OTHER_SITES,
    EdgeFacts,
    NodeFacts,
    Totals,
    exposition,
)
from seawall.telemetry.window import SiteCounts, Window

LOCAL = NodeFacts("local", 3, connected=True, notices=0)


def window(
    edge: dict[str, float] | None = None,
    node: str = "local",
    slot: str = "stable",
    **sites: SiteCounts,
) -> Window:
    return Window(
        NodeName(node),
        slot,
        ReleaseId("r1"),
        Generation(1),
        start_s=100.0,
        duration_s=10.0,
        sites={SiteName(name): counts for name, counts in sites.items()},
        edge=edge or {},
    )


def samples(totals: Totals, facts: EdgeFacts | None = None) -> dict[str, dict[str, float]]:
    text = exposition(totals.samples(facts or EdgeFacts((LOCAL,)))).decode()
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_counters_add_up_over_windows_and_gauges_show_the_newest() -> None:
    totals = Totals()
    totals.add(window({"requests": 5, "connections_active": 3}, shop=SiteCounts(5, 3, 0, 1, 1, 1)))
    totals.add(window({"requests": 2, "connections_active": 1}, shop=SiteCounts(2, 1, 0, 0, 0, 0)))
    found = samples(totals)
    assert found["seawall_edge_requests_total"] == {"node=local,slot=stable": 7}
    assert found["seawall_edge_connections_active"] == {"node=local,slot=stable": 1}
    assert found["seawall_requests_total"]["code_class=2xx,site=shop"] == 4
    assert found["seawall_requests_total"]["code_class=1xx,site=shop"] == 1
    assert found["seawall_origin_timeouts_total"] == {"site=shop": 1}
    assert found["seawall_windows_total"] == {"node=local,slot=stable": 2}
    assert found["seawall_window_end_timestamp_seconds"] == {"node=local,slot=stable": 110}


def test_what_is_not_known_has_no_sample() -> None:
    found = samples(Totals(), EdgeFacts((NodeFacts("local", 3, connected=True, notices=0),)))
    assert set(found) == {
        "seawall_node_generation",
        "seawall_node_connected",
        "seawall_node_notices",
    }


def test_a_node_that_is_away_shows_no_stale_gauges_but_keeps_its_counters() -> None:
    totals = Totals()
    totals.add(window({"requests": 5, "connections_active": 3}))
    away = NodeFacts("local", 3, connected=False, notices=2, release="r1", envoy_live=True)
    found = samples(totals, EdgeFacts((away,)))
    assert "seawall_edge_connections_active" not in found
    assert "seawall_envoy_up" not in found
    assert found["seawall_edge_requests_total"] == {"node=local,slot=stable": 5}
    assert found["seawall_node_connected"] == {"node=local": 0}


def test_a_trial_that_is_over_leaves_no_gauges_and_the_stable_slot_keeps_its_own() -> None:
    totals = Totals()
    for slot in ("stable", "candidate"):
        totals.add(window({"requests": 5, "connections_active": 3}, slot=slot))
    for _ in range(METRIC_SLOT_BEHIND_MAX):
        totals.add(window({"connections_active": 4}))
    active = "seawall_edge_connections_active"
    assert samples(totals)[active] == {
        "node=local,slot=candidate": 3,
        "node=local,slot=stable": 4,
    }
    totals.add(window({"connections_active": 4}))
    found = samples(totals)
    assert found[active] == {"node=local,slot=stable": 4}
    assert found["seawall_window_end_timestamp_seconds"] == {"node=local,slot=stable": 110}
    assert found["seawall_edge_requests_total"]["node=local,slot=candidate"] == 5
    totals.add(window({"connections_active": 1}, slot="candidate"))
    assert samples(totals)[active]["node=local,slot=candidate"] == 1


def test_of_a_node_that_was_removed_nothing_is_left() -> None:
    totals = Totals()
    totals.add(window({"requests": 5, "connections_active": 3}))
    totals.add(window({"requests": 5, "connections_active": 3}, node="edge-1"))
    assert len(samples(totals, EdgeFacts((LOCAL, replace(LOCAL, name="edge-1"))))) > 6
    text = exposition(totals.samples(EdgeFacts((LOCAL,)))).decode()
    assert "edge-1" not in text
    assert 'seawall_edge_requests_total{node="local",slot="stable"} 5.0' in text


def test_how_long_requests_took_is_not_told_for_ever() -> None:
    totals = Totals()
    slow = SiteCounts(50, 50, 0, 0, 0, 0, latency_p50_s=8.0, latency_p95_s=9.0)
    totals.add(window({"latency_p50_s": 8.0}, shop=slow, gone=slow))
    times = {"seawall_origin_duration_seconds", "seawall_request_duration_seconds"}
    quick = replace(slow, latency_p50_s=0.1, latency_p95_s=0.2)
    for _ in range(int(METRIC_TIME_AGE_S_MAX / 10)):
        assert times <= set(samples(totals))
        totals.add(window({"requests": 1.0}, shop=quick))
    totals.add(window({"requests": 1.0}))
    found = samples(totals)
    assert found["seawall_origin_duration_seconds"] == {
        "quantile=0.5,site=shop": 0.1,
        "quantile=0.95,site=shop": 0.2,
    }
    assert "seawall_request_duration_seconds" not in found
    assert found["seawall_requests_total"]["code_class=2xx,site=gone"] == 50


def test_of_a_node_that_is_away_nobody_tells_how_long_the_requests_of_a_site_took() -> None:
    totals = Totals()
    slow = SiteCounts(50, 50, 0, 0, 0, 0, latency_p50_s=8.0, latency_p95_s=9.0)
    totals.add(window(None, shop=slow))
    away = EdgeFacts((replace(LOCAL, connected=False), replace(LOCAL, name="edge-1")))
    assert "seawall_origin_duration_seconds" not in samples(totals, away)
    assert "seawall_origin_duration_seconds" in samples(totals)
    totals.add(window(None, node="edge-1"))
    removed = EdgeFacts((replace(LOCAL, name="edge-1"),))
    assert "seawall_origin_duration_seconds" not in samples(totals, removed)


def test_sites_beyond_the_bound_share_one_series() -> None:
    totals = Totals()
    counts = SiteCounts(1, 1, 0, 0, 0, 0)
    many = {f"s{n}": counts for n in range(METRIC_SITES_MAX + 5)}
    totals.add(window(None, **many))
    found = samples(totals)["seawall_origin_timeouts_total"]
    assert len(found) == METRIC_SITES_MAX + 1
    requests = samples(totals)["seawall_requests_total"]
    assert requests[f"code_class=2xx,site={OTHER_SITES}"] == 5


def test_names_that_a_node_makes_up_take_no_series_from_the_sites_of_the_file() -> None:
    totals = Totals()
    counts = SiteCounts(1, 1, 0, 0, 0, 0, 0.1)
    serving = EdgeFacts((LOCAL,), sites=frozenset({"shop"}))
    totals.add(window(None, node="liar", **{f"s{n}": counts for n in range(METRIC_SITES_MAX)}))
    for scrape in (1, 2):
        totals.add(window(None, made_up=counts, shop=counts))
        samples(totals, serving)
        totals.add(window(None, shop=counts, made_up=counts))
        found = samples(totals, serving)
        assert {*found["seawall_origin_timeouts_total"]} == {"site=shop", f"site={OTHER_SITES}"}
        assert {*found["seawall_origin_duration_seconds"]} == {"quantile=0.5,site=shop"}
        requests = found["seawall_requests_total"]
        assert requests[f"code_class=2xx,site={OTHER_SITES}"] == METRIC_SITES_MAX + 1 + 2 * scrape
    assert requests["code_class=2xx,site=shop"] == 3, "once there was no room for its name"


def test_what_a_new_site_answered_before_the_next_scrape_is_its_own() -> None:
    totals = Totals()
    counts = SiteCounts(1, 1, 0, 0, 0, 0)
    samples(totals, EdgeFacts((LOCAL,), sites=frozenset({"shop"})))
    totals.add(window(None, blog=counts))
    found = samples(totals, EdgeFacts((LOCAL,), sites=frozenset({"shop", "blog"})))
    assert found["seawall_requests_total"]["code_class=2xx,site=blog"] == 1


def test_a_site_that_is_taken_out_of_the_file_makes_room_for_the_next() -> None:
    totals = Totals()
    counts = SiteCounts(1, 1, 0, 0, 0, 0, 0.1)
    for name in ("old", "new"):
        samples(totals, EdgeFacts((LOCAL,), sites=frozenset({name})))
        totals.add(window(None, **{name: counts}))
    found = samples(totals, EdgeFacts((LOCAL,), sites=frozenset({"new"})))
    assert found["seawall_origin_timeouts_total"] == {"site=new": 0}
    assert found["seawall_origin_duration_seconds"] == {"quantile=0.5,site=new": 0.1}
    unknown = samples(totals, EdgeFacts((LOCAL,)))
    assert unknown["seawall_origin_timeouts_total"] == {"site=new": 0}, "what was known stays"


def test_all_facts_of_a_connected_node_are_exposed() -> None:
    node = NodeFacts(
        "local",
        generation=3,
        connected=True,
        notices=1,
        release="r2",
        envoy_version="1.40.0",
        envoy_live=True,
        envoy_restarts=4,
        envoy_heap_bytes=99,
    )
    found = samples(Totals(), EdgeFacts((node,), releases=7, certificates=(("shop", 1.9e9, 2e9),)))
    assert found["seawall_release_info"] == {"node=local,release=r2": 1}
    assert found["seawall_envoy_info"] == {"node=local,version=1.40.0": 1}
    assert found["seawall_envoy_restarts_total"] == {"node=local": 4}
    assert found["seawall_envoy_heap_bytes"] == {"node=local": 99}
    assert found["seawall_releases"] == {"": 7}
    assert found["seawall_certificate_expiry_timestamp_seconds"] == {"certificate=shop": 2e9}
    assert found["seawall_certificate_lifetime_seconds"] == {"certificate=shop": 1e8}


def test_every_measure_of_a_window_is_exposed_under_a_documented_name() -> None:
    totals = Totals()
    totals.add(window({m.name: 1.0 for m in MEASURES} | {"latency_p99_s": 0.5, "unknown": 1.0}))
    exposed = {name for name in samples(totals) if name.startswith("seawall_edge_")}
    assert exposed == {m.name for m in METRICS if m.name.startswith("seawall_edge_")}
    assert len(exposed) == len(MEASURES)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_names_follow_the_conventions(metric: object) -> None:
    name, kind = metric.name, metric.kind
    assert re.fullmatch(r"seawall_[a-z0-9_]+", name)
    assert name.endswith("_total") == (kind == "counter")
    assert not re.search(r"_(s|ms|min)(_|$)", name)


def test_the_page_lists_every_metric() -> None:
    page = metrics_markdown()
    for metric in METRICS:
        assert f"`{metric.name}`" in page
