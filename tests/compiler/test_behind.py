"""Which origins belong to one site, and what routes leave out because of it."""

from dataclasses import replace
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from compiler.build import edge, forward, origin, route, site
from seawall.compiler.behind import origins_behind
from seawall.compiler.compile import compile_edge
from seawall.compiler.snapshot import TypeUrl
from seawall.ids import OriginName
from seawall.model import Edge, Endpoint, PathPrefix, Retries

RETRIES = Retries(2, ("connect-failure",))


def _edge() -> Edge:
    shop = site(
        "shop",
        route("shop/own", PathPrefix("/own"), forward("shop", retries=RETRIES)),
        route("shop/part", PathPrefix("/part"), forward("shop/part", retries=RETRIES)),
        route("shop/rest", PathPrefix("/"), forward("app", retries=RETRIES)),
    )
    blog = site("blog", route("blog/all", PathPrefix("/"), forward("news")))
    news = site("news", route("news/all", PathPrefix("/"), forward("news")))
    named = origin("shop/part", 3001, 3002)
    by_name = replace(origin("app"), endpoints=(Endpoint("app.internal", 80),))
    return edge(shop, blog, news, origins=(origin("shop"), named, by_name, origin("news")))


def _routes() -> dict[str, Any]:
    (resource,) = compile_edge(_edge()).of_type(TypeUrl.ROUTES)
    hosts = RouteConfiguration.FromString(resource.body).virtual_hosts
    return {one.name: one for host in hosts for one in host.routes}


def test_an_origin_is_private_when_named_after_the_only_site_that_uses_it() -> None:
    found = origins_behind(_edge())
    assert {name for name, behind in found.items() if behind.private} == {"shop", "shop/part"}


def test_an_origin_is_single_when_it_has_one_address_for_ever() -> None:
    found = origins_behind(_edge())
    assert {name for name, behind in found.items() if behind.single} == {"shop", "news"}
    assert found[OriginName("app")].balancing == origin("app").load_balancing


def test_each_request_is_counted_for_its_site_once() -> None:
    clusters = [
        Cluster.FromString(resource.body)
        for resource in compile_edge(_edge()).of_type(TypeUrl.CLUSTER)
    ]
    assert {one.name: one.alt_stat_name for one in clusters} == {
        "shop": "site/shop",
        "shop/part": "site/shop/part",
        "app": "",
        "news": "",
    }
    routes = _routes()
    assert {name: routes[name].stat_prefix for name in routes if "/_" not in name} == {
        "shop/own": "",
        "shop/part": "",
        "shop/rest": "shop",
        "blog/all": "blog",
        "news/all": "news",
    }


def test_a_retry_looks_for_another_endpoint_only_where_there_may_be_one() -> None:
    routes = _routes()
    elsewhere = {
        name: bool(routes[name].route.retry_policy.retry_host_predicate)
        for name in ("shop/own", "shop/part", "shop/rest")
    }
    assert elsewhere == {"shop/own": False, "shop/part": True, "shop/rest": True}
    assert routes["shop/own"].route.retry_policy.num_retries.value == RETRIES.attempts
