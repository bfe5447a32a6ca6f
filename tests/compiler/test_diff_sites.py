"""What `diff` says of a site over both schemes, of what moves between them, and of challenges."""

from dataclasses import replace

import pytest

from compiler.build import certificate, edge, forward, origin, route, site
from seawall.compiler.compile import compile_edge
from seawall.compiler.diff import diff
from seawall.ids import CertificateName, ListName
from seawall.model import (
    BotChallenge,
    BotMode,
    BotPolicy,
    Compression,
    Edge,
    ErrorPage,
    FixedResponse,
    HeaderChanges,
    IpList,
    PathExact,
    PathPrefix,
    Redirect,
    RetryBudget,
    Site,
)
from seawall.model.clearance import ClearanceKey, ClearanceKeys
from seawall.secret import Secret
from tls_material import TlsAuthority

SHOP = CertificateName("shop")
DENIED = ListName("denied")


def _texts(old: Edge, new: Edge) -> list[str]:
    return [change.text for change in diff(compile_edge(old), compile_edge(new))]


def _site(**changes: object) -> Site:
    """A site that has something of all kinds."""
    api = route("shop/api", PathPrefix("/api"))
    usual: dict[str, object] = {
        "bots": BotPolicy(mode=BotMode.ENFORCE),
        "certificate": SHOP,
        "compression": (Compression.GZIP,),
        "deny": (DENIED,),
        "error_pages": (ErrorPage(404, 404, "text/html", "lost"),),
        "response_headers": HeaderChanges(set=(("x-a", "1"),)),
    }
    return site("shop", api, route(), **{**usual, **changes})


@pytest.fixture(scope="module")
def shown() -> Edge:
    """An edge with one site, over http and https."""
    held = certificate(SHOP, *TlsAuthority().issue("shop.test"), "shop.test")
    lists = (IpList(DENIED, ("192.0.2.0/24",)),)
    return edge(_site(), https=(8443,), certificates=(held,), lists=lists)


def test_a_site_that_is_sent_to_https_has_lost_nothing(shown: Edge) -> None:
    sent = replace(shown, sites=(_site(redirect_to_https=True),))
    away = "site shop: requests over http are sent to https"
    back = "site shop: requests over http are served, and no longer redirected to https"
    assert _texts(shown, sent) == [away]
    assert _texts(sent, shown) == [back]
    other = _site(redirect_to_https=True, compression=(Compression.BROTLI,))
    newer = replace(shown, sites=(other,))
    assert _texts(shown, newer) == [away, "site shop: compression gzip -> br"]
    assert _texts(newer, shown) == [back, "site shop: compression br -> gzip"]


def test_a_site_that_moves_to_https_is_compared_with_what_it_was(shown: Edge) -> None:
    plain = replace(shown, sites=(_site(certificate=None),), certificates=())
    api = route("shop/api", PathPrefix("/api"), FixedResponse(404, ""))
    sent = _site(redirect_to_https=True)
    moved = replace(shown, sites=(replace(sent, routes=(api, sent.routes[1])),))
    told = [text for text in _texts(plain, moved) if text.startswith(("site", "route"))]
    assert told == [
        "site shop: requests over http are sent to https",
        "site shop: added over https, hosts shop.test",
        "route /api of shop: action forward to app -> answer 404",
    ]
    back = [text for text in _texts(moved, plain) if text.startswith(("site", "route"))]
    assert back == [
        "site shop: requests over http are served, and no longer redirected to https",
        "site shop: removed over https",
        "route /api of shop: action answer 404 -> forward to app",
    ]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_still_holds_over_one_scheme_is_not_told_as_gone(shown: Edge, scheme: str) -> None:
    one = replace(shown, listen=replace(shown.listen, **{scheme: ()}))
    place = {"http": "http 127.0.0.1:8080", "https": "https 127.0.0.1:8443"}[scheme]
    assert _texts(shown, one) == [
        f"listener {place}: removed",
        f"site shop: removed over {scheme}",
    ]
    assert _texts(one, shown) == [
        f"listener {place}: added",
        f"site shop: added over {scheme}, hosts shop.test",
    ]


def test_a_site_that_gets_a_certificate_was_there(shown: Edge) -> None:
    two = replace(shown, sites=(_site(), site("blog")))
    more = replace(shown, sites=(_site(), site("blog", certificate=SHOP)))
    assert "site blog: added over https, hosts blog.test" in _texts(two, more)
    assert "site blog: removed over https" in _texts(more, two)
    assert "site blog: removed" in _texts(more, shown)
    assert "site blog: added, hosts blog.test" in _texts(shown, more)


def test_all_that_a_redirect_does_is_told_beside_its_new_place() -> None:
    def going(to: Redirect) -> Edge:
        return edge(site("shop", route("shop/old", PathExact("/old"), to)))

    old = Redirect(302, scheme="https", host="a.test", path="/new")
    new = Redirect(308, scheme="http", host="b.test", port=8080, path="/new", strip_query=True)
    places = ("https://a.test/new", "http://b.test:8080/new")
    assert _texts(going(old), going(new)) == [
        f"route =/old of shop: action redirect to {places[0]} -> redirect to {places[1]}",
        "route =/old of shop: status 302 -> 308",
        "route =/old of shop: query kept -> dropped",
    ]
    moved, root = Redirect(302, prefix="/new"), Redirect(307, prefix="/")

    def below(to: Redirect) -> Edge:
        return edge(site("shop", route("shop/old", PathPrefix("/old"), to)))

    assert _texts(below(moved), below(root)) == [
        "route /old of shop: action redirect to /new -> redirect to /",
        "route /old of shop: status 302 -> 307",
    ]


def test_a_share_is_told_as_it_is_written() -> None:
    def sharing(share: float) -> Edge:
        return edge(origins=(origin(retry_budget=RetryBudget(share, 3)),))

    assert _texts(sharing(0.2), sharing(0.07)) == ["origin app: retry budget (%) 20.0 -> 7.0"]


def test_guards_are_not_called_by_the_path_of_a_route() -> None:
    any_host = edge(site("shop", hosts=("shop.test", "*")))
    told = _texts(edge(site("shop", hosts=("shop.test",))), any_host)
    assert "guard of shop against a Host that is not one host: added, answer 400" in told
    assert not [text for text in told if text.startswith("route /")]


def _challenging(keys: ClearanceKeys | None, contact: str = "") -> Edge:
    policy = BotPolicy(mode=BotMode.ENFORCE, challenge=BotChallenge(contact=contact))
    two = (site("shop", bots=policy), site("blog", route("blog/all", action=forward())))
    return edge(*(replace(one, bots=policy) for one in two), clearance_keys=keys)


def _key(name: str) -> ClearanceKey:
    return ClearanceKey(name, Secret(name.encode() * 16))


def test_where_visitors_may_write_is_told() -> None:
    keys = ClearanceKeys(_key("k1"))
    old, new = _challenging(keys), _challenging(keys, "mailto:help@shop.test")
    for name in ("blog", "shop"):
        said = f"site {name}: bots: contact for people who cannot pass"
        assert f"{said} none -> mailto:help@shop.test" in _texts(old, new)
        assert f"{said} mailto:help@shop.test -> none" in _texts(new, old)


def test_new_keys_of_clearances_are_told_once_and_not_shown() -> None:
    first, second = ClearanceKeys(_key("k1")), ClearanceKeys(_key("k2"), _key("k1"))
    third = ClearanceKeys(_key("k3"), _key("k2"))
    signed = "edge: clearances are signed with another key;"
    said = f"{signed} those granted before"
    ended = "are no longer valid, so visitors are challenged again"
    over = f"{said} {ended}"
    older = f"{signed} those signed with the key before it hold on; older ones {ended}"
    none = _challenging(None)
    for old, new, told in (
        (_challenging(first), _challenging(second), f"{said} hold on"),
        (_challenging(second), _challenging(third), older),
        (_challenging(second), _challenging(first), over),
        (_challenging(first), _challenging(third), over),
        (none, _challenging(first), "edge: clearances are granted from now on"),
        (_challenging(first), none, "edge: clearances are granted no longer"),
    ):
        assert _texts(old, new) == [told]
