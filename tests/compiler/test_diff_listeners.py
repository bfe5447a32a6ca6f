"""A listener that comes or goes says nothing of what holds for the whole edge."""

from dataclasses import replace

import pytest

from compiler.build import certificate, edge, site
from seawall.bots import artifact
from seawall.bots.starter import starter_content
from seawall.compiler.compile import compile_edge
from seawall.compiler.diff import diff
from seawall.ids import ListName
from seawall.model import BotModel, Edge, IpList
from tls_material import TlsAuthority

BAD = ListName("bad")


@pytest.fixture
def both() -> Edge:
    """A site over http and https that is scored, and denies a list."""
    authority = TlsAuthority()
    shown = certificate("shop", *authority.issue("shop.test"), "shop.test")
    shop = site("shop", certificate="shop", deny=(BAD,))
    content = starter_content()
    assert content is not None
    return edge(
        shop,
        https=(8443,),
        certificates=(shown,),
        lists=(IpList(BAD, ("192.0.2.0/24",)),),
        bot_model=BotModel(artifact.digest(content), content),
    )


def _of_the_edge(old: Edge, new: Edge) -> list[str]:
    told = [change.text for change in diff(compile_edge(old), compile_edge(new))]
    return [text for text in told if text.startswith(("edge:", "list "))]


def _over_http(both: Edge) -> Edge:
    return replace(both, listen=replace(both.listen, https=()))


def test_requests_are_looked_at_and_lists_hold_without_https_too(both: Edge) -> None:
    assert _of_the_edge(both, _over_http(both)) == []


def test_https_brings_no_model_and_no_list(both: Edge) -> None:
    assert _of_the_edge(_over_http(both), both) == []


def test_what_changes_with_a_listener_is_told_once(both: Edge) -> None:
    plain = replace(
        _over_http(both), bot_model=None, lists=(IpList(BAD, ("192.0.2.0/24", "198.51.100.0/24")),)
    )
    told = _of_the_edge(both, plain)
    assert "list bad: 1 -> 2 networks (+1, -0)" in told
    assert sum(text.startswith("edge: bot model ") for text in told) == 1
