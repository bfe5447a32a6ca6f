"""What `seawall init` writes loads without a problem and explains itself."""

import pytest

from seawall.errors import UsageError
from seawall.model import Forward
from seawall.site.load import Loaded, load
from seawall.site.starter import starter_file
from site_text import certificate_files, sources


def _load(text: str) -> Loaded:
    return load(sources(text), read=certificate_files().__getitem__, now_s=0)


@pytest.mark.parametrize(
    "url",
    [
        *("http://localhost:3000", "https://a.example", "http://[::1]:80"),
        *("https://192.0.2.7:8443", "https://[2001:db8::1]"),
    ],
)
@pytest.mark.parametrize("https", ["127.0.0.1:8443", ""])
def test_the_first_file_has_no_problems(url: str, https: str) -> None:
    hosts = ("a.example", "*.a.example", "A.example")
    loaded = _load(starter_file(url, https=https, hosts=hosts))
    assert loaded.problems == ()
    assert loaded.edge is not None
    assert bool(loaded.edge.listen.https) == bool(https)
    assert loaded.edge.sites[0].hosts == ("a.example", "*.a.example")


@pytest.mark.parametrize(
    ("url", "http", "https"),
    [
        ("http://localhost:8080", 8081, 8443),
        ("https://localhost:8443", 8080, 8444),
        ("http://0.0.0.0:8080", 8081, 8443),
        ("http://[::]:8080", 8081, 8443),
        ("http://app:8080", 8080, 8443),
    ],
)
def test_a_website_on_the_usual_port_keeps_it(url: str, http: int, https: int) -> None:
    loaded = _load(starter_file(url))
    assert "origin-loop" not in {problem.id for problem in loaded.problems}
    assert loaded.edge is not None
    assert [one.port for one in loaded.edge.listen.http] == [http]
    assert [one.port for one in loaded.edge.listen.https] == [https]


def test_every_line_that_is_commented_out_may_be_used() -> None:
    text = starter_file("http://localhost:3000")
    for written in (
        "health_check:",
        "backup:",
        "- {name: api",
        "- {name: live",
        "- {name: old",
    ):
        assert f"# {written}" in text
        text = text.replace(f"# {written}", written)
    assert _load(text).problems == ()


@pytest.mark.parametrize(
    ("url", "hosts", "sent"),
    [
        ("https://shop.example.com", ("*",), "shop.example.com"),
        ("https://shop.example.com", ("www.example.com",), ""),
        ("http://localhost:3000", ("*",), ""),
        ("http://app:3000", ("*",), ""),
        ("http://192.0.2.7:3000", ("*",), ""),
    ],
)
def test_a_website_elsewhere_is_asked_for_by_its_own_name(
    url: str, hosts: tuple[str, ...], sent: str
) -> None:
    loaded = _load(starter_file(url, hosts=hosts))
    assert loaded.problems == ()
    assert loaded.edge is not None
    route = loaded.edge.sites[0].routes[-1]
    assert isinstance(route.action, Forward)
    assert route.action.host_rewrite == sent


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_site_of_addresses_alone_is_served_without_https(host: str) -> None:
    loaded = _load(starter_file("http://a:1", hosts=(host,)))
    assert loaded.problems == ()
    assert loaded.edge is not None
    assert loaded.edge.listen.https == ()


@pytest.mark.parametrize(
    "host", ["a b", "http://a.example", "a.example:80", "b\u00fccher.example", ""]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(UsageError) as caught:
        starter_file("http://a:1", hosts=(host,))
    assert caught.value.remedy


@pytest.mark.parametrize("url", ["localhost:3000", "", "ftp://a", "http://a/path"])
def test_what_is_no_origin_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        starter_file(url)
    assert caught.value.remedy
