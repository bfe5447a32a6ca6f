"""What visitors see: words, escaping, size, headers, forms; and nothing that leads elsewhere."""

import gzip
import re
import string
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from challenge.workplace import ASSETS, CLEARANCE, ECHO, Workplace, challenge_in, cookie_of, opened
from seawall import limits
from seawall.challenge import forms
from seawall.challenge.forms import FORM_TYPE, Kept, NotKept, is_same_origin, keep
from seawall.challenge.language import LANGUAGES, choose, direction, words
from seawall.challenge.opening import Asked, open_challenge
from seawall.challenge.passing import Return, refresh
from seawall.challenge.reply import Reply
from seawall.challenge.signed import reference_of, safe_path, safe_reference

OWN = {"fetch_site": "same-origin", "content_type": FORM_TYPE, "method": "POST"}


class Read(HTMLParser):
    """Tags and hidden fields of a page, with its scripts as attributes."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def hidden(self) -> list[tuple[str, str]]:
        return [
            (str(attrs["name"]), str(attrs["value"])) for tag, attrs in self.tags if tag == "input"
        ]


def test_all_languages_say_everything() -> None:
    said = words()
    assert set(said) == set(LANGUAGES)
    for language in LANGUAGES:
        assert set(said[language]) == set(said["en"])
        for key, text in said[language].items():
            assert text.strip() == text != "", (language, key)
            assert language == "en" or text != said["en"][key], (language, key)
    assert direction("ar") == "rtl"
    assert direction("en") == "ltr"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en;q=0.5,fr;q=0.9", "fr"),
        ("und", "en"),
        ("*", "en"),
        ("zh-Hant-TW", "zh"),
        ("xx, JA;q=0.1", "ja"),
        ("de;q=0", "en"),
        ("de;q=nan", "en"),
        ("de;q=1e9", "en"),
        ("de;q=-1", "en"),
        ("de;q=٣", "en"),
        ("de;x=1", "en"),
        (";;;,,,;q=", "en"),
        ("x," * 200 + "de", "en"),
        ("a" * 100_000, "en"),
        ("\x00\xff,de", "de"),
    ],
)
def test_language_is_chosen_and_junk_is_english(header: str, language: str) -> None:
    assert choose(header) == language


@given(st.text(max_size=400))
def test_any_language_header_chooses_one(header: str) -> None:
    assert choose(header) in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_has_what_the_issue_asks_for(language: str) -> None:
    place = Workplace()
    counter = place.counter()
    object.__setattr__(counter.client, "language", language)
    reply = opened_by(counter, path="/%<script>'\"&?x=1")
    headers = dict(reply.headers)
    assert reply.status == 403
    assert headers["x-robots-tag"] == "noindex"
    assert headers["cache-control"] == "no-store"
    page = Read(reply.body)
    tags = dict(page.tags)
    assert tags["html"] == {"lang": language, "dir": direction(language)}
    (status,) = [attrs for _, attrs in page.tags if attrs.get("role") == "status"]
    assert status["aria-live"] == "polite"
    assert sum(tag == "h1" for tag, _ in page.tags) == 1
    assert "3f1c2a70-aaaa-4000-8000-000000000000" in page.text
    for _, attrs in page.tags:
        assert not any(name.startswith("on") or name == "style" for name in attrs)
        for name in ("src", "href", "action"):
            value = attrs.get(name)
            assert value is None or value.startswith(
                ("/.well-known/seawall/", "mailto:help@", "/%")
            )
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    nonces = {str(attrs["nonce"]) for _, attrs in page.tags if "nonce" in attrs}
    assert len(nonces) == 1
    assert f"script-src 'nonce-{nonces.pop()}'" in policy


def opened_by(counter: Any, **asked: Any) -> Any:
    fields: dict[str, Any] = {
        "client": counter.client,
        "method": "GET",
        "path": "/",
        "wanted": 1,
        "request_id": "3f1c2a70-aaaa-4000-8000-000000000000",
    }
    return open_challenge(counter, Asked(**(fields | asked)), ASSETS)


def test_a_page_with_all_its_parts_is_light() -> None:
    page = opened(Workplace(), wanted=2, path="/" + "p" * 100)
    parts = [asset.compressed for name, asset in ASSETS.files.items() if name != "style.css"]
    size = len(page.body) + len(ASSETS.style("x" * 22)) + sum(map(len, parts))
    assert size < limits.CHALLENGE_PAGE_SIZE_BYTES_MAX
    for asset in ASSETS.files.values():
        assert gzip.decompress(asset.compressed) == asset.body


def test_no_part_loads_anything_from_elsewhere() -> None:
    for name, asset in ASSETS.files.items():
        text = asset.body.decode()
        if name.startswith("argon2"):
            text = text.replace("https://www.npmjs.com/package/hash-wasm", "")
        assert "://" not in text, name


def test_the_script_sets_the_probes_in_order() -> None:
    script = ASSETS.files["script.js"].body.decode()
    listed = script.partition("const bits = [")[2].partition("];")[0]
    assert len(re.findall(r",\n", listed)) == limits.CLEARANCE_PROBES_MAX.bit_length()
    assert listed.split(",")[0].strip().startswith("navigator.webdriver")


def test_a_head_request_gets_no_body() -> None:
    reply = opened(Workplace(), method="HEAD")
    assert reply.body == b""
    assert cookie_of(reply, ECHO)


@pytest.mark.parametrize(
    "path",
    ["//evil.example/", "/\\evil.example", "///evil.example", "//evil.example\\@shop.example"],
)
def test_no_path_leads_to_another_site(path: str) -> None:
    place = Workplace()
    page = opened(place, path=path)
    text, _ = challenge_in(page)
    place.clock.time_s += 3
    reply = refresh(place.counter(cookie_of(page, ECHO) or ""), Return(text, "GET"))
    location = dict(reply.headers)["location"]
    # As a browser reads it: a backslash is a slash.
    landed = urljoin("https://shop.example/x/y", location.replace("\\", "/"))
    assert landed.startswith("https://shop.example/")


@given(st.text(max_size=300))
@example("/a b")
@example("/a\r\nset-cookie: x=y")
@example("http://evil.example/")
@example("/ü?é=\udc80")
def test_any_path_becomes_a_safe_one(path: str) -> None:
    safe = safe_path(path)
    assert safe.startswith("/")
    assert all("!" <= char <= "~" for char in safe)
    assert safe_path(safe) == safe
    reference = reference_of(safe)
    assert urljoin("https://shop.example/", reference.replace("\\", "/")).startswith(
        "https://shop.example/"
    )


def test_a_long_path_loses_its_query_first() -> None:
    longest = limits.CHALLENGE_PATH_LENGTH_CHARS_MAX
    assert safe_path("/a?" + "q" * longest) == "/a"
    assert safe_path("/" + "a" * longest) == "/"
    full = "/" + "a" * (longest - 1)
    assert safe_path(full) == full
    place = Workplace()
    text, _ = challenge_in(opened(place, path=full))
    assert len(text) <= limits.CHALLENGE_TEXT_LENGTH_CHARS_MAX
    assert place.counter().challenge(text, 100)


def test_a_reference_is_what_a_person_can_read_out() -> None:
    assert safe_reference("3f1c-2A", "x_y") == "3f1c-2A"
    for odd in ("", "a b", "<b>", "x" * 65, "a_b"):
        assert safe_reference(odd, "x_y") == "x-y"


FIELDS = st.lists(
    st.tuples(
        st.text(st.characters(exclude_characters="\0\r\n", codec="utf-8"), min_size=1, max_size=20),
        st.text(st.characters(exclude_characters="\0\r\n", codec="utf-8"), max_size=40),
    ),
    max_size=20,
)


@given(FIELDS)
@example([("submit", "</form><script>alert(1)</script>"), ("a", "1\r\n2"), ("a", "")])
def test_a_form_comes_back_as_it_was_sent(fields: list[tuple[str, str]]) -> None:
    if any(name.lower() in {"_charset_", "isindex"} for name, _ in fields):
        return
    body = urlencode(fields).encode()
    reply = opened(Workplace(), body=body, **OWN)
    page = Read(reply.body)
    assert page.hidden() == fields
    # Nothing of it became markup.
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "refresh" not in dict(reply.headers)


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({"content_type": "multipart/form-data; boundary=x"}, b"--x"),
        ({"content_type": "application/json"}, b"{}"),
        ({"method": "PUT"}, b"a=1"),
        ({"fetch_site": "cross-site"}, b"a=1"),
        ({"fetch_site": "same-site"}, b"a=1"),
        ({"fetch_site": ""}, b"a=1"),
        ({"fetch_site": "", "origin": "https://evil.example"}, b"a=1"),
        ({"fetch_site": "", "origin": "http://shop.example"}, b"a=1"),
        ({"fetch_site": "", "origin": "null"}, b"a=1"),
        ({}, b"a=%00"),
        ({}, b"a=%0A"),
        ({}, b"a=%ff"),
        ({}, "a=ü".encode()),
        ({}, b"a"),
        ({}, b"=a"),
        ({}, b"_charset_=x"),
        ({}, b"&".join([b"a=1"] * 201)),
        ({}, b"a=" + b"x" * limits.CHALLENGE_FORM_SIZE_BYTES_MAX),
        ({}, None),
    ],
)
def test_what_cannot_be_sent_again_is_said_to_be_lost(
    change: dict[str, str], body: bytes | None
) -> None:
    reply = opened(Workplace(), body=body, **(OWN | change))
    page = Read(reply.body)
    assert page.hidden() == []
    assert "could not be kept" in page.text


def test_a_form_is_kept_for_the_same_site_only() -> None:
    assert is_same_origin("", "same-origin", "shop.example", "https")
    assert is_same_origin("https://Shop.example", "", "shop.example", "https")
    assert is_same_origin("https://shop.example:8443", "", "shop.example:8443", "https")
    assert not is_same_origin("https://shop.example", "cross-site", "shop.example", "https")
    assert not is_same_origin("https://[", "", "shop.example", "https")


def posted(place: Workplace, body: bytes, **changes: Any) -> Any:
    page = opened(place, body=body, **OWN)
    text, _ = challenge_in(page)
    fields: dict[str, Any] = {
        "text": text,
        "method": "POST",
        "content_type": FORM_TYPE,
        "fetch_site": "same-origin",
        "body": body,
    }
    return refresh(place.counter(cookie_of(page, ECHO) or ""), Return(**(fields | changes)))


def test_a_form_without_scripts_is_sent_on_with_its_body() -> None:
    place = Workplace()
    early = posted(place, b"a=1&a=2")
    assert early.status == 403
    assert Read(early.body).hidden() == [("a", "1"), ("a", "2")]
    page = opened(place, body=b"a=1", **OWN)
    text, _ = challenge_in(page)
    place.clock.time_s += 3
    back = Return(text, "POST", FORM_TYPE, "https://shop.example", "", b"a=1")
    reply = refresh(place.counter(cookie_of(page, ECHO) or ""), back)
    assert (reply.status, dict(reply.headers)["location"]) == (307, "/shop?item=1")
    assert cookie_of(reply, CLEARANCE)


def test_a_form_that_another_site_posts_is_not_sent_on() -> None:
    place = Workplace()
    page = opened(place, body=b"a=1", **OWN)
    text, _ = challenge_in(page)
    place.clock.time_s += 3
    back = Return(text, "POST", FORM_TYPE, "https://evil.example", "cross-site", b"a=1")
    reply = refresh(place.counter(cookie_of(page, ECHO) or ""), back)
    _says_what_is_lost_and_stays(reply)


def _says_what_is_lost_and_stays(reply: Reply) -> None:
    assert cookie_of(reply, CLEARANCE)
    assert reply.status == 403
    assert not {"location", "refresh"} & {name for name, _ in reply.headers}
    said = Read(reply.body)
    assert not [attrs for _, attrs in said.tags if attrs.get("http-equiv") == "refresh"]
    assert words()["en"]["passed"] in said.text
    assert words()["en"]["lost"] in said.text
    assert {"href": "/shop?item=1"} in [attrs for tag, attrs in said.tags if tag == "a"]


UPLOAD = {"fetch_site": "same-origin", "content_type": "multipart/form-data", "method": "POST"}
LOST = {"upload": UPLOAD, "other site": OWN | {"fetch_site": "cross-site"}}


@pytest.mark.parametrize("asked", LOST.values(), ids=LOST)
def test_without_scripts_a_visitor_whose_form_is_lost_is_told_so_after_the_check(
    asked: dict[str, str],
) -> None:
    place = Workplace()
    page = opened(place, body=None, **asked)
    text, _ = challenge_in(page)
    assert words()["en"]["lost"] in Read(page.body).text
    place.clock.time_s += 3
    counter = place.counter(cookie_of(page, ECHO) or "")
    passed = refresh(counter, Return(text, "GET"))
    _says_what_is_lost_and_stays(passed)
    again = place.counter(f"{cookie_of(page, ECHO)}; {cookie_of(passed, CLEARANCE)}")
    assert refresh(again, Return(text, "GET")).status == 403
    place.clock.time_s += limits.CHALLENGE_LIFETIME_NO_SCRIPT_S
    ended = refresh(place.counter(), Return(text, "GET"))
    assert words()["en"]["expired"] in Read(ended.body).text
    assert words()["en"]["lost"] in Read(ended.body).text


@pytest.mark.parametrize(
    ("asked", "who"), [(UPLOAD, "own"), (LOST["other site"], "foreign"), (OWN, "")]
)
def test_only_what_a_page_of_the_site_sent_may_be_sent_again_by_the_browser(
    asked: dict[str, str], who: str
) -> None:
    page = opened(Workplace(), body=b"a=1", **asked)
    (main,) = [attrs for tag, attrs in Read(page.body).tags if tag == "main"]
    assert main["data-lost"] == who


def test_keep_looks_at_methods_with_a_body_only() -> None:
    assert keep("GET", "", b"", same_origin=False) is None
    assert keep("POST", "", b"", same_origin=True) == Kept(())
    assert isinstance(keep("DELETE", "", b"", same_origin=True), NotKept)


@pytest.mark.parametrize("body", [b"a=%", b"a=%4", b"a=%zz", b"%%41=1", b"a=" + b"%" * 60_000])
def test_what_no_browser_writes_is_not_decoded(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(forms, "parse_qsl", None)
    assert keep("POST", FORM_TYPE, body, same_origin=True) == NotKept(own=True)


def test_fields_survive_a_whole_round() -> None:
    body = urlencode([("x", string.printable.replace("\n", "").replace("\r", ""))]).encode()
    kept = keep("POST", FORM_TYPE, body, same_origin=True)
    assert isinstance(kept, Kept)
    assert parse_qsl(urlencode(kept.fields)) == parse_qsl(body.decode())
