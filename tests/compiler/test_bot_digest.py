"""The short name of a site's policy: the filter keeps what it read by it, so it tells all apart."""

from dataclasses import replace

from envoy.config.route.v3 import route_components_pb2

from compiler import build
from seawall.compiler import names
from seawall.compiler.bot_service import drop_keys
from seawall.compiler.bots import write_policy
from seawall.compiler.compile import compile_edge
from seawall.compiler.model_words import script_of
from seawall.model import BotMode, BotPolicy, RouteClass, Site
from seawall.model.clearance import ClearanceKey, ClearanceKeys
from seawall.secret import Secret

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


def test_the_name_follows_from_all_that_the_filter_reads_beside_it() -> None:
    usual = _fields(_site())[names.METADATA_DIGEST]
    assert usual == _fields(_site())[names.METADATA_DIGEST]
    others = [
        _fields(_site(replace(ENFORCING, scores_static=True))),
        _fields(_site(BotPolicy(mode=BotMode.OBSERVE, scores_static=True))),
        _fields(_site(ENFORCING, RouteClass.API)),
        _fields(_site(), NEW_KEYS),
        _fields(replace(_site(), name=build.site("blog").name)),
    ]
    assert len({usual, *(fields[names.METADATA_DIGEST] for fields in others)}) == 6


def test_classes_are_asked_for_only_where_there_are_several() -> None:
    assert names.METADATA_CLASSES not in _fields(_site(ENFORCING, RouteClass.PAGE))
    assert names.METADATA_CLASSES in _fields(_site(ENFORCING, RouteClass.PAGE, RouteClass.API))


def test_a_site_that_says_nothing_of_bots_has_none() -> None:
    assert _fields(_site(BotPolicy())) == {}


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
