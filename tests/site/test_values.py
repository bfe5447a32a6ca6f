"""Durations, sizes, shares, hosts, headers and addresses, as people write them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from seawall.site.schema import network, values

duration = values.duration("100ms", "2d", zero="no bound").check
size = values.size("1KiB", "10GiB", unlimited=True).check
per_cent = values.per_cent(1, 100).check
count = values.count(1, 10).check


def refused(check: Any, value: object) -> str:
    with pytest.raises(PydanticCustomError) as caught:
        check(value)
    assert caught.value.context
    assert caught.value.context["remedy"]
    return caught.value.type


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("15s", 15),
        ("5m", 300),
        ("1h30m", 5400),
        ("0s", 0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("2d", 172_800),
    ],
)
def test_a_duration_has_a_unit(written: str, seconds: float) -> None:
    assert duration(written) == seconds


@pytest.mark.parametrize(
    "written", [15, 1.5, True, None, "15", "s", "-1s", "1 s", "1y", "", "∞s", []]
)
def test_what_is_no_duration(written: object) -> None:
    assert refused(duration, written) == "bad-duration"


@pytest.mark.parametrize("written", ["99ms", "3d", "999999999w"])
def test_a_duration_out_of_bounds(written: str) -> None:
    assert refused(duration, written) == "out-of-range"


@given(st.integers(0, 10**10))
def test_a_duration_survives_being_written_and_read(milliseconds: int) -> None:
    text = values.duration_text(milliseconds / 1000)
    assert values.duration("0s", "1000w").check(text) == milliseconds / 1000


@pytest.mark.parametrize(
    ("written", "count_bytes"),
    [
        ("1KiB", 1024),
        ("10MiB", 10 * 1024**2),
        ("1MB", 10**6),
        ("1.5KiB", 1536),
        ("2048B", 2048),
        ("1 GiB", 1024**3),
        ("unlimited", 0),
    ],
)
def test_a_size_has_a_unit(written: str, count_bytes: int) -> None:
    assert size(written) == count_bytes


@pytest.mark.parametrize("written", [10, "10", "10 megs", "-1MB", True, None, "MiB"])
def test_what_is_no_size(written: object) -> None:
    assert refused(size, written) == "bad-size"


def test_a_size_out_of_bounds() -> None:
    assert refused(size, "1023B") == "out-of-range"
    assert refused(size, "11GiB") == "out-of-range"


@given(st.integers(1, 10**12 - 1))
def test_a_size_survives_being_written_and_read(count_bytes: int) -> None:
    read = values.size("1B", "9999999GiB").check
    assert read(values.size_text(count_bytes)) == count_bytes


def test_shares() -> None:
    assert per_cent("20%") == 0.2
    assert per_cent("100 %") == 1
    assert refused(per_cent, 20) == "bad-share"
    assert refused(per_cent, 0.2) == "bad-share"
    assert refused(per_cent, "0%") == "out-of-range"


def test_a_count_is_a_bare_number() -> None:
    assert count(10) == 10
    assert refused(count, "10") == "wrong-type"
    assert refused(count, value=True) == "wrong-type"
    assert refused(count, 1.0) == "wrong-type"
    assert refused(count, 11) == "out-of-range"


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("Shop.Example.com", "shop.example.com"),
        ("shop.example.com.", "shop.example.com"),
        ("*.example.com", "*.example.com"),
        ("*", "*"),
        ("localhost", "localhost"),
        ("10.0.0.1", "10.0.0.1"),
        ("[::1]", "[::1]"),
        ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
        ("my_app", "my_app"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
    ],
)
def test_hosts(written: str, host: str) -> None:
    assert network.host_name(written) == host


@pytest.mark.parametrize(
    "written",
    [
        "https://a.example",
        "a.example/path",
        "a.example:80",
        "*a.example",
        "a.*.example",
        "*.*.example",
        "*.",
        "a b",
        "a,b",
        "[192.0.2.1]",
        "-a.example",
        "a..example",
        "münchen.de",
        "x" * 64 + ".de",
        "a." * 130 + "de",
        "a\nb",
    ],
)
def test_what_is_no_host(written: str) -> None:
    assert refused(network.host_name, written) == "invalid-host"


def test_a_host_in_unicode_is_shown_in_ascii() -> None:
    with pytest.raises(PydanticCustomError) as caught:
        network.host_name("münchen.de")
    assert "xn--mnchen-3ya.de" in str(caught.value.context)


def test_an_origin_in_unicode_is_shown_in_ascii() -> None:
    with pytest.raises(PydanticCustomError) as caught:
        network.origin_url("http://münchen.de:80")
    assert "xn--mnchen-3ya.de" in str(caught.value.context)


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80),
        (":8080", "0.0.0.0", 8080),
        (8080, "0.0.0.0", 8080),
        ("[::]:443", "::", 443),
        ("[0:0::1]:443", "::1", 443),
        ("localhost:80", "127.0.0.1", 80),
    ],
)
def test_listen_addresses(written: object, host: str, port: int) -> None:
    assert network._address(written) == network.Address(host, port)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "a",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "::1:80",
        "[127.0.0.1]:80",
        "a.b:80",
        True,
        "[::1%lo]:80",
        "1.2.3.4:٣",
        ":",
        "1.2.3.4:+80",
    ],
)
def test_what_is_no_listen_address(written: object) -> None:
    assert refused(network._address, written) in ("bad-address", "wrong-type")


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("http://a:3000", ("http", "a", 3000)),
        ("https://A.example", ("https", "a.example", 443)),
        ("http://10.0.0.1/", ("http", "10.0.0.1", 80)),
        ("http://[::1]:80", ("http", "::1", 80)),
    ],
)
def test_origin_urls(written: str, url: tuple[str, str, int]) -> None:
    assert network.origin_url(written) == network.OriginUrl(*url)


@pytest.mark.parametrize(
    "written",
    [
        "ftp://a",
        "a:80",
        "http://",
        "http://a/b",
        "http://a?b",
        "http://a#b",
        "http://u:p@a",
        "http://a:0",
        "http://a:99999",
        "http://a b",
        "http://[::1",
        "http://[::1%25lo]",
    ],
)
def test_what_is_no_origin_url(written: str) -> None:
    assert refused(network.origin_url, written) == "bad-url"


@pytest.mark.parametrize(
    "name",
    [
        "host",
        "Connection",
        "transfer-encoding",
        "content-length",
        "x-envoy-retry-on",
        "X-Seawall-a",
        "te",
        "upgrade",
        ":path",
        "a b",
        "a:b",
        "",
        "ä",
        "a\r\nb",
    ],
)
def test_headers_that_belong_to_the_edge_cannot_be_changed(name: str) -> None:
    assert refused(network.changed_header_name, name) in ("invalid-header", "wrong-type")


def test_header_names_are_lower_case() -> None:
    assert network.changed_header_name("X-Frame-Options") == "x-frame-options"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\x00b", "a\x7fb", "a" * 5000, 1, True])
def test_header_values_are_one_line_of_text(value: object) -> None:
    assert refused(network.header_value, value) in ("invalid-header", "wrong-type")


@pytest.mark.parametrize("path", ["a", "/a b", "/a?b", "/a#b", "/ä", "/a\n", ""])
def test_what_is_no_url_path(path: str) -> None:
    assert refused(network._path, path) in ("bad-path", "wrong-type")


@pytest.mark.parametrize("target", ["/a#b#c", "#b", "a#b", "/a# b", "/" + "a" * 2047 + "#"])
def test_what_is_no_place_to_redirect_to(target: str) -> None:
    assert refused(network._target, target) == "bad-path"


@given(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()))
)
def test_every_check_answers_or_refuses(value: object) -> None:
    for check in (
        duration,
        size,
        per_cent,
        count,
        network.host_name,
        network._address,
        network.origin_url,
        network._cidr,
        network.changed_header_name,
        network.header_value,
        network._method,
        network._path,
        network._target,
        values.check_name,
        values.one_of("a", "b").check,
    ):
        assert _refusal(check, value) is None or all(_refusal(check, value) or ())


def _refusal(check: Any, value: object) -> tuple[str, str] | None:
    """What is said against a value, and what to do; None when it is fine."""
    try:
        check(value)
    except PydanticCustomError as error:
        context = error.context or {}
        return context.get("what", ""), context.get("remedy", "")
    return None


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("straße.de", "xn--strae-oqa.de"),
        ("*.Straße.MÜNCHEN.de", "*.xn--strae-oqa.xn--mnchen-3ya.de"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("\uff21.example", "a.example"),
        ("::1", "[::1]"),
    ],
)
def test_the_remedy_of_a_host_names_no_other_host(written: str, hint: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        network.host_name(written)
    assert f"`{hint}`" in str(caught.value.context)
