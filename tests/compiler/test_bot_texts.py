"""The texts of a site's policy that the filter reads, once for each route."""

from collections import Counter
from dataclasses import replace

from envoy.config.route.v3 import route_components_pb2, route_pb2

from compiler import build
from seawall.compiler import names
from seawall.compiler.bot_service import drop_keys
from seawall.compiler.bots import write_policy
from seawall.compiler.compile import compile_edge
from seawall.compiler.model_words import script_of
from seawall.compiler.snapshot import TypeUrl
from seawall.model import BotMode, BotPolicy, RouteClass, Site
from seawall.model.clearance import ClearanceKey, ClearanceKeys
from seawall.secret import Secret
from site_text import load_text

ENFORCING = BotPolicy(mode=BotMode.ENFORCE)
KEYS = ClearanceKeys(ClearanceKey("k1", Secret(b"1" * 32)))
NEW_KEYS = ClearanceKeys(ClearanceKey("k2", Secret(b"2" * 32)), KEYS.current)


def _site(policy: BotPolicy = ENFORCING, *classes: RouteClass) -> Site:
    routes = [
        build.route(name, route_class=each) for name, each in zip("abc", classes, strict=False)
    ]
    return replace(build.site("shop", *routes), bots=policy)


def _host(site: Site, keys: ClearanceKeys | None = KEYS) -> route_components_pb2.VirtualHost:
    host = route_components_pb2.VirtualHost()
    write_policy(host, site, keys)
    return host


def _fields(site: Site, keys: ClearanceKeys | None = KEYS) -> dict[str, str]:
    metadata = _host(site, keys).metadata.filter_metadata
    if names.FILTER_BOTS not in metadata:
        return {}
    fields = metadata[names.FILTER_BOTS].fields
    return {key: value.string_value for key, value in fields.items()}


def test_a_host_carries_a_text_for_each_class_of_its_routes() -> None:
    assert set(_fields(_site())) == {"page", "clearance"}
    several = _fields(_site(ENFORCING, RouteClass.API, RouteClass.STATIC))
    assert set(several) == {"page", "api", "static", "clearance"}
    assert several["api"] != several["page"]


def test_a_site_that_says_nothing_of_bots_has_none() -> None:
    assert _fields(_site(BotPolicy())) == {}


def test_no_two_routes_of_a_table_have_one_name() -> None:
    """The filter keeps what it read of a route under the route's name."""
    routes = "routes: [{name: api, path: /api, class: api}]"
    edge = load_text(
        "version: 1\n"
        "listen: {http: 127.0.0.1:8080}\n"
        "sites:\n"
        f"  shop: {{hosts: [a.test], origin: 'http://127.0.0.1:1', bots: enforce, {routes}}}\n"
        f"  blog: {{hosts: [b.test, '*'], origin: 'http://127.0.0.1:1', bots: enforce, {routes}}}\n"
    ).edge
    assert edge is not None
    (table,) = compile_edge(edge).of_type(TypeUrl.ROUTES)
    hosts = route_pb2.RouteConfiguration.FromString(table.body).virtual_hosts
    found = Counter(route.name for host in hosts for route in host.routes)
    assert {"shop/api", "blog/api"} <= set(found)
    assert set(found.values()) == {1}


def test_sites_are_asked_for_their_policy_only_where_one_has_one() -> None:
    plain = build.site("blog")
    noting = replace(plain, bots=BotPolicy(scores_static=True))
    assert '["policies"]=false' in script_of(compile_edge(build.edge(plain)))
    for other in (_site(), noting):
        edge = build.edge(build.site("docs"), other)
        assert '["policies"]=true' in script_of(compile_edge(edge))
        assert _fields(other)


def test_new_clearance_keys_are_no_change_of_a_site() -> None:
    before, after = _host(_site()), _host(_site(), NEW_KEYS)
    assert before != after
    drop_keys(before)
    drop_keys(after)
    assert before == after
