"""Private listeners beside the public ones: they count for nobody and change nothing else."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from helpers import POLL_S, free_port
from node.stage_support import addressed, loaded, standing
from node.streams import origin
from node.support import Connection, answer, cluster, edge, routes, to_cluster, until, whole
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.wire import body_of
from seawall.node.kernel import Place
from seawall.node.steering import Arm
from seawall.node.taste import public_places, socket_name, with_taste, without_taste
from seawall.telemetry.measures import edge_source, split_site


def names(snapshot: Snapshot, type_url: TypeUrl) -> set[str]:
    return {resource.name for resource in snapshot.of_type(type_url)}


def two_listeners() -> Snapshot:
    return whole(
        cluster("o", 1),
        addressed("0.0.0.0", 80),
        addressed("::", 8080),
        addressed("0.0.0.0", 443, tls=True),
        routes([answer("x")]),
    )


def test_each_scheme_has_one_private_listener_and_one_private_table() -> None:
    plain = two_listeners()
    tasty = with_taste(plain, ())
    assert names(tasty, TypeUrl.LISTENER) - names(plain, TypeUrl.LISTENER) == {
        "taste http",
        "taste https",
    }
    assert names(tasty, TypeUrl.ROUTES) == {"http", "taste http"}
    for scheme in ("http", "https"):
        body = tasty.by_key[(TypeUrl.LISTENER, f"taste {scheme}")].body
        listener = Listener.FromString(body)
        assert listener.address.pipe.path == socket_name(scheme)
        assert listener.address.pipe.mode == 0o600
        assert b"access_log" not in body


def test_what_is_added_can_be_taken_away_exactly() -> None:
    plain = two_listeners()
    assert without_taste(with_taste(plain, ())) == plain
    assert without_taste(plain) is plain


def test_only_the_wanted_public_addresses_are_opened() -> None:
    plain = two_listeners()
    assert public_places(plain) == (
        Place("0.0.0.0", 80),
        Place("::", 8080, dual=True),
        Place("0.0.0.0", 443),
    )
    private = with_taste(plain, (), ())
    assert public_places(private) == ()
    assert names(private, TypeUrl.ROUTES) == {"taste http"}  # Envoy would not ask for the other
    opened = with_taste(plain, (), [Place("0.0.0.0", 443)])
    assert public_places(opened) == (Place("0.0.0.0", 443),)
    assert names(opened, TypeUrl.ROUTES) == {"http", "taste http"}


def test_tables_that_are_read_ahead_are_read_by_what_nobody_can_reach() -> None:
    plain = two_listeners()
    ahead = with_taste(plain, (), (), ahead=True)
    assert public_places(ahead) == ()
    assert names(ahead, TypeUrl.ROUTES) == {"http", "taste http"}
    reader = Listener.FromString(ahead.by_key[(TypeUrl.LISTENER, "taste reads http")].body)
    assert not reader.bind_to_port.value
    assert reader.HasField("bind_to_port")
    assert without_taste(with_taste(plain, (), None, ahead=True)) == plain
    opened = with_taste(plain, (), [Place("0.0.0.0", 443)], ahead=True)
    assert "taste reads http" not in names(opened, TypeUrl.LISTENER), "the listener reads it"


def test_routes_of_a_private_table_count_for_no_site() -> None:
    rule = {**answer("x"), "stat_prefix": "shop"}
    tasty = with_taste(whole(cluster("o", 1), addressed("0.0.0.0", 80), routes([rule])), ())
    table = RouteConfiguration.FromString(tasty.by_key[(TypeUrl.ROUTES, "taste http")].body)
    assert [route.stat_prefix for route in table.virtual_hosts[0].routes] == [""]
    assert b"shop" in tasty.by_key[(TypeUrl.ROUTES, "http")].body


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("shop.test", ["shop", "any"]),
        ("SHOP.test:8443", ["shop", "any"]),
        ("[::1]:80", ["any"]),
        ("a.wild.test", ["wild", "one", "any"]),
        ("a.wild.test.other", ["any"]),
        ("old.test", ["old", "any"]),
        ("old.example", ["old", "any"]),
        ("", ["any"]),
    ],
)
def test_a_private_table_holds_what_answers_the_hosts_that_are_asked(
    asked: str, kept: list[str]
) -> None:
    hosts = {
        "shop": ["www.shop.test", "shop.test"],
        "wild": ["*.wild.test"],
        "one": ["a.wild.test"],
        "old": ["old.*"],
        "any": ["*"],
    }
    table = RouteConfiguration(name="http", ignore_port_in_host_matching=True)
    for name, domains in hosts.items():
        table.virtual_hosts.add(name=name, domains=domains)
    whole_table = Resource(TypeUrl.ROUTES, "http", table.SerializeToString(), "edge")
    release = whole(addressed("0.0.0.0", 80), whole_table)
    tasty = with_taste(release, [asked])
    private = RouteConfiguration.FromString(tasty.by_key[TypeUrl.ROUTES, "taste http"].body)
    assert [host.name for host in private.virtual_hosts] == kept
    assert private.ignore_port_in_host_matching
    assert tasty.by_key[TypeUrl.ROUTES, "http"] == whole_table


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (["shop.test"], ["shop", "any"]),
        (["SHOP.test:8443", "a.wild.test"], ["shop", "wild", "one", "any"]),
        ([], ["any"]),
    ],
)
def test_a_private_listener_holds_the_chains_of_the_hosts_that_are_asked(
    asked: list[str], kept: list[str]
) -> None:
    release, _ = _with_chains(
        {"shop": ["www.shop.test", "shop.test"], "wild": ["*.wild.test"], "one": ["a.wild.test"]}
        | {"any": []}
    )
    tasty = with_taste(release, asked)
    private = Listener.FromString(tasty.by_key[TypeUrl.LISTENER, "taste https"].body)
    assert [chain.name for chain in private.filter_chains] == kept


def test_a_private_listener_has_a_chain_also_where_none_is_asked() -> None:
    release, public = _with_chains({"shop": ["shop.test"], "blog": ["blog.test"]})
    tasty = with_taste(release, ["other.test"])
    private = Listener.FromString(tasty.by_key[TypeUrl.LISTENER, "taste https"].body)
    assert [chain.name for chain in private.filter_chains] == ["shop"]
    assert tasty.by_key[TypeUrl.LISTENER, public.name] == public


def _with_chains(names_of: dict[str, list[str]]) -> tuple[Snapshot, Resource]:
    """A release with a TLS chain for each of these names, and its public listener."""
    made = addressed("0.0.0.0", 443, tls=True)
    listener = Listener.FromString(made.body)
    chain = type(listener.filter_chains[0]).FromString(body_of(listener.filter_chains[0]))
    listener.ClearField("filter_chains")
    for name, hosts in names_of.items():
        chain.name = name
        chain.filter_chain_match.Clear()
        chain.filter_chain_match.server_names.extend(hosts)
        listener.filter_chains.append(chain)
    public = replace(made, body=body_of(listener))
    return whole(cluster("o", 1), public, routes([answer("x")])), public


def test_golden_requests_are_in_no_count_of_clients(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with origin() as upstream, standing(tmp_path) as stand:
            rule = {**to_cluster("origin"), "stat_prefix": "shop"}
            own = cluster("origin", upstream)
            private = Cluster.FromString(own.body)
            private.alt_stat_name = "site/store.own"
            own = replace(own, body=body_of(private))
            release = loaded(whole(own, addressed("127.0.0.1", port), routes([rule])))
            await stand.serve(release)
            await stand.trials.start(release, release, baseline=False, deadline_s=20)
            for arm in (Arm.STABLE, Arm.CANDIDATE):
                path = stand.trials.taste_socket(arm, "http")
                keeper = stand.trials.keeper(arm)
                assert path is not None
                assert keeper is not None
                client = Connection(*await asyncio.open_unix_connection(path))
                for _ in range(5):
                    assert await client.get() == b"ok"
                await client.close()
                text = await keeper.slot.admin.stats_text(stats_filter=r"^(http|vhost|cluster)\.")
                counted = dict(line.split(b": ") for line in text.splitlines() if b": " in line)
                assert counted[b"http.taste.downstream_rq_total"] == b"5"
                assert counted.get(b"http.http.downstream_rq_total", b"0") == b"0"
                assert not [name for name in counted if b"shop" in name and counted[name] != b"0"]
                assert counted[b"cluster.site/store.own.upstream_rq_total"] == b"5"
                for_site = [name for name in counted if split_site(name.decode())]
                assert not [name for name in for_site if counted[name] != b"0"]
            client = await Connection.open(port)
            assert await client.get() == b"ok"
            await client.close()
            text = await stand.slots.active.slot.admin.stats_text(stats_filter=r"^cluster\.site")
            assert b"cluster.site/store.own.upstream_rq_2xx: 1\n" in text
            assert edge_source("http.taste.downstream_rq_total") != "http.*.downstream_rq_total"

    asyncio.run(story())


def test_stable_has_private_listeners_in_every_trial_and_none_between(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with standing(tmp_path) as stand:
            release = loaded(edge(port, "one"))
            await stand.serve(release)
            admin = stand.slots.active.slot.admin
            session = stand.slots.active.link.session
            for pause in (False, True, True):
                await stand.trials.start(release, release, baseline=False, deadline_s=20)
                path = stand.trials.taste_socket(Arm.STABLE, "http")
                assert path is not None
                client = Connection(*await asyncio.open_unix_connection(path))
                assert await client.get() == b"one"
                await client.close()
                await stand.trials.withdraw(0)
                assert stand.trials.taste_socket(Arm.STABLE, "http") is None
                if pause:
                    await until(lambda: session.settled, what="the release alone")
                    while b"taste" in await admin.get("/listeners"):  # noqa: ASYNC110 - Envoy's own
                        await asyncio.sleep(POLL_S)

    asyncio.run(story())
