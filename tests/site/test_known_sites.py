"""What a load takes over from the one before cannot be told from what it would find by itself."""

import re
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.site import load as loading
from seawall.site.cache import Known, LoadCache
from seawall.site.draft import Draft
from seawall.site.load import Loaded, load
from seawall.site.problem import Problem
from seawall.site.rules import RULES, Check
from seawall.site.rules.rule import Rule
from seawall.site.sources import SourceFile, SourceSet
from site_text import HEAD, ROOT, load_text

ALONE = [(rule, check) for rule, check in RULES if rule.alone]
HTTPS = "version: 1\nlisten: {http: 127.0.0.1:8080, https: 127.0.0.1:8443}\n"
TLS_ONLY = "version: 1\nlisten: {https: 127.0.0.1:8443}\ntls: {development_ca: true}\n"
TOPS = (HEAD, HTTPS, TLS_ONLY)
REFERS = "origin: http://127.0.0.1:3000\nroutes: [{name: g, path: /g, origin: h1, grpc: true}]"
BODIES = [
    "origin: http://127.0.0.1:3000",
    "origin: http://127.0.0.1:3001",
    "routes: []",
    REFERS,
    "origin: http://127.0.0.1:8080",
    "origin: {endpoints: ['http://10.0.0.1', 'http://10.0.0.1:80'], protocol: auto}",
    "origin: {endpoints: ['http://1.2.3', 'https://a.test'], tls: {verify: false}}",
    "origin: 'https://[::1]:3000'",
    "origin: http://127.0.0.1:3000\nhsts: true\nredirect_to_https: true",
    "origin: http://127.0.0.1:3000\nerror_pages: {404: gone.html, 4xx: locked.html}",
    "origin: http://127.0.0.1:3000\nerror_pages: {4xx: oops.html}",
    "origin: http://127.0.0.1:3000\ntls: false\ngolden: [{path: /, https: true}]",
    "origin: http://127.0.0.1:3000\ndeny: [nobody]",
    "origin: spare\nroutes:\n  - {name: a, prefix: /}\n  - {name: b, path: /b}",
    "origin: nowhere\nbots: {rules: [{name: a, do: block}]}",
    "hosts: [again.test]",
    "nonsense: 1",
]
SPARE = "origins:\n  spare: {endpoints: 'http://127.0.0.1:9'}\n"
ORIGINS = (
    SPARE
    + "  seawall_a: {endpoints: 'http://127.0.0.1:9'}\n"
    + "  odd: {endpoints: 'http://127.0.0.1:9', load_balancing: {hash: {header: x, cookie: y}}}\n"
)


def _lines(name: str, body: str) -> str:
    inside = "".join(f"    {line}\n" for line in f"hosts: [{name}.test]\n{body}".splitlines())
    return f"  {name}:\n{inside}"


def _bodies_of_examples() -> Iterator[str]:
    """Of each rule that is marked, a site that it finds something in."""
    for rule, _ in ALONE:
        lines = rule.example.partition("    hosts: [shop.example.com]\n")[2]
        assert lines, f"{rule.id} has an example of one site"
        yield re.sub(r"^    ", "", lines, flags=re.MULTILINE).partition("\norigins:")[0]


def _draft_of(text: str, monkeypatch: pytest.MonkeyPatch) -> Draft:
    drafts: list[Draft] = []

    def keep(draft: Draft) -> list[Problem]:
        drafts.append(draft)
        return []

    with monkeypatch.context() as patch:
        patch.setattr(loading, "run_rules", keep)
        load_text(text)
    return drafts[0]


def _seen(draft: Draft, sites: set[str], origins: set[str]) -> Any:
    """All that a rule may look at that is marked: asking for anything else is an error."""
    section = draft.top.section.model_copy(update={"sites": {}})
    return SimpleNamespace(
        top=replace(draft.top, section=section),
        sites={name: one for name, one in draft.sites.items() if name in sites},
        built_sites={name: one for name, one in draft.built_sites.items() if name in sites},
        origin_places={name: one for name, one in draft.origin_places.items() if name in origins},
    )


def _apart(check: Check, draft: Draft) -> list[Problem]:
    found = [list(check(_seen(draft, {name}, set()))) for name in draft.sites]
    found += [list(check(_seen(draft, set(), {name}))) for name in draft.origin_places]
    return sorted((problem for each in found for problem in each), key=repr)


@pytest.mark.parametrize("top", TOPS)
def test_a_marked_rule_finds_in_all_sites_what_it_finds_in_each(
    top: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [*_bodies_of_examples(), *BODIES]
    sites = "".join(_lines(f"s{index}", body) for index, body in enumerate(bodies))
    draft = _draft_of(f"{top}{ORIGINS}sites:\n{sites}", monkeypatch)
    assert len(draft.sites) == len(bodies)
    silent: list[str] = []
    for rule, check in ALONE:
        found = sorted(check(draft), key=repr)
        assert found == _apart(check, draft), rule.id
        if not found:
            silent.append(rule.id)
    if top == HEAD:
        assert silent == [], "each of them is tried on something that it finds"


def test_a_rule_that_looks_at_more_than_one_site_is_not_marked() -> None:
    """A few that surely do."""
    unmarked = {rule.id for rule, _ in RULES if not rule.alone}
    assert {"duplicate-host", "unknown-origin", "too-many", "origin-loop"} <= unmarked


# --- Loads one after the other --------------------------------------------------------------------

_SITES = st.dictionaries(
    st.sampled_from([f"h{number}" for number in range(5)]),
    st.sampled_from(BODIES),
    min_size=2,
    max_size=5,
)


@st.composite
def files(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    """A site file, what it includes, and a page, as they follow each other: often one change."""
    top, sites, included = draw(st.sampled_from(TOPS)), draw(_SITES), draw(_SITES)
    page = "oops"
    written: list[tuple[str, str, str]] = []
    for _ in range(draw(st.integers(2, 5))):
        what = draw(st.integers(0, 9))
        if what == 0:
            top = draw(st.sampled_from(TOPS))
        elif what == 1:
            page = draw(st.sampled_from(["oops", "gone", ""]))
        elif what == 2:
            sites = draw(_SITES)
        else:
            part = included if what == 3 else sites
            part[draw(st.sampled_from(sorted(part)))] = draw(st.sampled_from(BODIES))
        texts = [
            "sites:\n" + "".join(_lines(name, body) for name, body in each.items())
            for each in (sites, {f"i{name}": body for name, body in included.items()})
        ]
        first = f"{top}includes: [more.yaml]\n{texts[0]}{SPARE}"
        written.append((first, texts[1], page))
    return written


def _loaded(first: str, second: str, page: str, cache: LoadCache) -> Loaded:
    def read(path: str) -> bytes:
        if not page or not path.endswith("oops.html"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return page.encode()

    root = SourceFile(ROOT, first.encode())
    sources = SourceSet(ROOT, (root, SourceFile("/site/more.yaml", second.encode())))
    return load(sources, read=read, now_s=0.0, cache=cache)


@settings(deadline=None, max_examples=150)
@given(files())
def test_no_load_can_be_told_from_one_that_knows_nothing(texts: list[tuple[str, str, str]]) -> None:
    cache = LoadCache()
    for each in texts:
        alone = LoadCache()
        assert _loaded(*each, cache) == _loaded(*each, alone)
        assert (cache.known.sites, cache.known.origins) == (alone.known.sites, alone.known.origins)


def test_what_was_found_clean_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[list[str]] = []

    def check(draft: Draft) -> Iterator[Problem]:
        looked.append([*draft.sites, *draft.origin_places])
        yield from ()

    rule = Rule("r", ALONE[0][0].severity, "", "", "", alone=True)
    monkeypatch.setattr("seawall.site.rules.RULES", ((rule, check), *RULES))
    cache = LoadCache()
    wrong = "origin: http://127.0.0.1:3000\nhsts: true"
    for path, hsts in (("/a", wrong), ("/b", wrong), ("/b", BODIES[0]), ("/b", BODIES[0])):
        changed = f"origin: http://127.0.0.1:3000\nroutes: [{{name: a, path: {path}}}]"
        sites = [_lines("a", BODIES[0]), _lines("b", hsts), _lines("c", changed), _lines("d", "")]
        text = f"{HEAD}sites:\n{''.join(sites[:3])}{_lines('d', BODIES[1])}"
        load(
            SourceSet(ROOT, (SourceFile(ROOT, text.encode()),)),
            read=lambda _: b"",
            now_s=0.0,
            cache=cache,
        )
    assert looked == [["a", "b", "c", "d"] * 2, ["b", "c", "c"], ["b", "b"], []]


def test_nothing_is_known_of_files_that_were_read_with_loss() -> None:
    cache = LoadCache()
    text = f"{HEAD}sites:\n{_lines('a', BODIES[0])}{_lines('b', BODIES[1])}"
    for content, known in ((text, True), (text + "nonsense: 1\n", False), ("[1]", False)):
        sources = SourceSet(ROOT, (SourceFile(ROOT, content.encode()),))
        load(sources, read=lambda _: b"", now_s=0.0, cache=cache)
        assert (cache.known != Known()) is known
