"""A path has one spelling behind the edge, so a rule for it cannot be walked around."""

import pytest

from edge.serving import Serving
from seawall.site.rules.route_matches_nothing import made_plain


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"/a/../b", b"/b"),
        (b"/a/./b", b"/a/b"),
        (b"/../../etc/passwd", b"/etc/passwd"),
        (b"/a/%2e%2e/b", b"/b"),
        (b"/a/%2E./b", b"/b"),
        (b"/%2e%2e/%2e%2e/x", b"/x"),
        (b"//a//b", b"/a/b"),
        (b"//evil.test/x", b"/evil.test/x"),
        (b"/x/..//evil.test", b"/evil.test"),
        (b"/a\\b", b"/a/b"),
        (b"/a/..;/b", b"/b"),
        (b"/a;x=/../b", b"/b"),
        (b"/a;v=1/b", b"/a;v=1/b"),
        (b"/%61", b"/a"),
        (b"/a%0d%0ab", b"/a%0d%0ab"),
        (b"/a?b=../%2f//", b"/a?b=../%2f//"),
    ],
)
def test_the_origin_sees_the_normal_form(edge: Serving, sent: bytes, seen: bytes) -> None:
    assert edge.get(sent).status == 200
    assert [r.target for r in edge.origin.requests] == [seen]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/a//b",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/a/.",
            "/a/",
            "/..",
            "/a//",
            "/a\\b",
            "/a/..;x/b",
        ),
        *("/%41%7e%2d%5F%2e%30", "/%20", "/%c3%A4", "/%3A%5b%60", '/a"b', "/{a}|<b>^`c", "/%zz%"),
        *("/a;b/;c", "/...", "/.well-known/x", "/[x]/!$&'()*+,;=:@", "/a/.;x"),
    ],
)
def test_the_site_file_is_told_what_the_edge_makes_of_a_path(edge: Serving, path: str) -> None:
    assert edge.get(path.encode()).status == 200
    (seen,) = edge.origin.requests
    assert made_plain(path) == seen.target.decode()
    assert made_plain(made_plain(path)) == made_plain(path)


@pytest.mark.parametrize(
    "path",
    [
        b"/private",
        b"/private/x",
        b"//private",
        b"/./private",
        b"/a/../private",
        b"/a/%2e%2e/private",
        b"/%70rivate",
        b"/a/..;/private",
        b"/private/",
        b"/\\private",
        b"http://shop.test//private",
    ],
)
def test_no_spelling_of_a_guarded_path_gets_past_its_route(edge: Serving, path: bytes) -> None:
    answer = edge.get(path)
    assert (answer.status, answer.body) == (403, b"private\n")
    edge.assert_origin_untouched()


def test_a_parameter_is_part_of_a_name(edge: Serving) -> None:
    """As docs/hardening.md says, with what to do where an origin thinks otherwise."""
    assert edge.get(b"/private;x").status == 200
    assert [r.target for r in edge.origin.requests] == [b"/private;x"]


@pytest.mark.parametrize(
    "path",
    [
        rb"/a\..;/private",
        rb"/a\..;x=1/private",
        rb"/a\%2e%2e;/private",
        rb"/a/%2e%2e;\private",
        rb"/\.;/private",
        rb"/a/b\..;",
    ],
)
def test_a_dot_segment_that_a_backslash_hid_is_refused(edge: Serving, path: bytes) -> None:
    answer = edge.get(path)
    assert (answer.status, answer.body) == (400, b"Bad path.\n")
    edge.assert_origin_untouched()


@pytest.mark.parametrize("path", [b"/a.;v=1/b", b"/a?b=/..;/c", b"/...;/a", b"/a..;"])
def test_a_parameter_of_another_segment_is_left_alone(edge: Serving, path: bytes) -> None:
    assert edge.get(path).status == 200
    assert [r.target for r in edge.origin.requests] == [path]


@pytest.mark.parametrize(
    "path",
    [
        b"/a%2fb",
        b"/a%2Fb",
        b"/a%5cb",
        b"/a%5Cb",
        b"/..%2fprivate",
        b"/a%00b",
        b"/a\0b",
        b"/a#fragment",
        b"/a?b=1#fragment",
        b"/a b",
        b"/a\tb",
        b"/a\xffb",
        b"/a\x7fb",
        b"a",
        b"*",
        b"",
    ],
)
def test_an_ambiguous_or_malformed_path_is_refused(edge: Serving, path: bytes) -> None:
    assert edge.get(path).status == 400
    edge.assert_origin_untouched()


def test_a_very_long_path_is_refused(edge: Serving) -> None:
    assert edge.get(b"/" + b"a" * 70_000).status == 431
    edge.assert_origin_untouched()


@pytest.mark.parametrize(
    "path",
    [
        b"/moved?%0d%0aset-cookie:a=b",
        b"/moved?\rset-cookie:a=b",
        b"/under/%0d%0aset-cookie:a=b",
        b"/under/%0aset-cookie:a=b",
        b"/under//evil.test",
        b"/under/%E5%98%8A%E5%98%8Dset-cookie:a=b",
    ],
)
def test_a_redirect_can_not_be_split_or_sent_elsewhere(edge: Serving, path: bytes) -> None:
    answer = edge.get(path)
    assert answer.header("set-cookie") is None
    if answer.status != 400:
        location = answer.header("location")
        assert answer.status == 301
        assert location is not None
        assert location.startswith(("http://other.test/", "http://shop.test/over/"))
        assert "\r" not in location
        assert "\n" not in location
