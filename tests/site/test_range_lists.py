"""Lists that are named as published ranges of bots: their date counts, no site need deny them."""

import ipaddress

import pytest

from seawall import limits
from seawall.ids import ListName
from seawall.model import IpList
from seawall.site.load import Loaded, load
from seawall.site.sources import Pushed, SourceFile, SourceSet
from seawall.verify.ranges import render

NETWORKS = (ipaddress.IPv4Network("66.249.64.0/27"), ipaddress.IPv6Network("2001:4860:4801::/64"))
CONTENT = render("google-common", NETWORKS, fetched_s=1_799_999_000).encode()
TEXT = """\
version: 1
listen: {http: 127.0.0.1:8080}
lists: {google-common: {}, others: {}}
sites:
  shop:
    hosts: shop.test
    origin: http://127.0.0.1:3000
    deny: others
"""


def _no_file(path: str) -> bytes:
    raise FileNotFoundError(path)


def _loaded(content: bytes, name: str = "google-common") -> Loaded:
    sources = SourceSet("/site.yaml", (SourceFile("/site.yaml", TEXT.encode()),))
    return load(
        sources, read=_no_file, now_s=1_800_000_000.0, pushed=(Pushed(ListName(name), content),)
    )


def _list(loaded: Loaded, name: str = "google-common") -> IpList:
    assert loaded.edge is not None, loaded.problems
    return next(one for one in loaded.edge.lists if one.name == name)


def _words(loaded: Loaded) -> str:
    return " ".join(f"{problem.id}: {problem.what}" for problem in loaded.problems)


def test_published_ranges_keep_their_date() -> None:
    loaded = _loaded(CONTENT)
    assert _list(loaded).networks == ("66.249.64.0/27", "2001:4860:4801::/64")
    assert _list(loaded).fetched_s == 1_799_999_000
    assert loaded.problems == ()


@pytest.mark.parametrize(
    "head",
    [
        "",
        "# fetched: 1799999000\n",
        "# seawall ranges 1\n# list: google-common\n",
        "# seawall ranges 1\n# list: google-common\n# fetched: soon\n",
        "# seawall ranges 1\n# list: google-common\n# fetched: -5\n",
        "# seawall ranges 1\n# list: google-common\n# fetched: 999999999999\n",
        "# seawall ranges 1\n# list: google-common\n# fetched: ١٧٩٩٩٩٩٠٠٠\n",
        "# seawall ranges 2\n# list: google-common\n# fetched: 1799999000\n",
        "\n# seawall ranges 1\n# list: google-common\n# fetched: 1799999000\n",
    ],
)
def test_without_a_whole_header_there_is_no_date(head: str) -> None:
    found = _list(_loaded(f"{head}66.249.64.0/27\n".encode()))
    assert (found.networks, found.fetched_s) == (("66.249.64.0/27",), None)


def test_the_date_of_another_list_is_a_comment() -> None:
    content = CONTENT.replace(b"google-common", b"others")
    assert _list(_loaded(content, "others"), "others").fetched_s is None


def test_ranges_of_another_bot_are_refused() -> None:
    loaded = _loaded(CONTENT.replace(b"google-common", b"bingbot"))
    assert loaded.edge is None
    assert "bad-list: List `google-common`: It holds the ranges `bingbot`." in _words(loaded)


def test_more_ranges_than_the_filter_reads_are_refused() -> None:
    numbers = range(limits.VERIFY_RANGES_PER_LIST_MAX + 1)
    lines = [f"11.0.{n >> 8}.{n & 255}\n" for n in numbers]
    assert len(_list(_loaded("".join(lines[1:]).encode())).networks) == len(numbers) - 1
    loaded = _loaded("".join(lines).encode())
    assert "ranges of a bot have at most 5,000" in _words(loaded)
    assert len(_list(_loaded("".join(lines).encode(), "others"), "others").networks) == len(numbers)


def test_an_empty_fetch_is_refused_as_for_every_list() -> None:
    head = b"".join(CONTENT.splitlines(keepends=True)[:3])
    assert "bad-list" in _words(_loaded(head))
    assert "cut off" in _words(_loaded(CONTENT[:-1]))


def test_nothing_pushed_yet_holds_nothing() -> None:
    assert _list(_loaded(b"192.0.2.0/24\n", "others")) == IpList(ListName("google-common"))
