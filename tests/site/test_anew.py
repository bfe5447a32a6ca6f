"""A file in which one site was changed, read by what is known, is what a fresh reading gives."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from seawall.site import anew
from seawall.site.anew import read_anew
from seawall.site.cache import CachedFile, LoadCache
from seawall.site.load import load
from seawall.site.merge import _file
from seawall.site.sources import SourceFile, SourceSet
from seawall.site.tree import ListNode, MapNode

PATH = "/etc/seawall/seawall.yaml"
HEAD = "version: 1\nlisten: {http: 127.0.0.1:8080}\n"
TAIL = "origins:\n  spare: {endpoints: 'http://127.0.0.1:9'}\n"


def site(name: str, *more: str, path: str = "/a") -> str:
    lines = [f"  {name}:", f"    hosts: [{name}.test]", "    origin: 'http://127.0.0.1:9000'"]
    lines += ["    routes:", f"      - {{name: a, path: {path}, respond: {{status: 200}}}}", *more]
    return "".join(f"{line}\n" for line in lines)


def whole(*sites: str, tail: str = "") -> str:
    return HEAD + "sites:\n" + "".join(sites) + tail


def fresh(text: str | bytes) -> CachedFile:
    content = text.encode() if isinstance(text, str) else text
    return _file(SourceFile(PATH, content), is_root=True, cache=LoadCache())


def shape(node: Any) -> Any:
    """A tree with all that equality of `dict` and `list` leaves out."""
    if isinstance(node, MapNode):
        inside = [(key, shape(value)) for key, value in node.items()]
        places = (node.at, list(node.keys_at.items()), list(node.values_at.items()))
        return ("map", inside, places, node.damaged, sorted(node.lost))
    if isinstance(node, ListNode):
        return ("list", [shape(x) for x in node], node.at, node.items_at, node.damaged, node.lost)
    return (type(node).__name__, node)


def agree(before: str | bytes, after: str | bytes) -> bool:
    """Whether it was read by what was known; it must not be told from a fresh reading."""
    content = after.encode() if isinstance(after, str) else after
    found, wanted = read_anew(PATH, fresh(before), content), fresh(content)
    if found is None:
        return False
    assert shape(found.tree) == shape(wanted.tree)
    assert found.model == wanted.model
    assert found.model.model_fields_set == wanted.model.model_fields_set
    assert (found.content, found.is_root) == (wanted.content, wanted.is_root)
    assert found.problems == wanted.problems
    return True


A, B, C = (site(name) for name in "abc")


@pytest.mark.parametrize(
    "changed",
    [
        site("b", path="/b"),
        site("b", "      - {name: b, path: /b, redirect: {to: /, status: 301}}"),
        site("b", "    # a comment", "", "    golden:", "      - path: /"),
        site("b", "      - name: b", "        path: /b", "        respond:", "          body: |+",
             "            one", "", "            two", "", ""),
        site("b", '      - {name: b, path: /b, respond: {body: "one', '          two"}}'),
        "  b:\n    hosts: [b.test]\n    origin: 'http://127.0.0.1:9000'\n",
        "  b: {hosts: [b.test], origin: 'http://127.0.0.1:9000'}\n",
        "  'b':\n    hosts: [b.test]\n    origin: 'http://127.0.0.1:9000'\n",
    ],
)  # fmt: skip
def test_a_changed_site_is_read_alone(changed: str) -> None:
    assert agree(whole(A, B, C), whole(A, changed, C))
    assert agree(whole(A, changed, C), whole(A, B, C))
    assert agree(whole(B, C, tail=TAIL), whole(changed, C, tail=TAIL))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (whole(A, B, C), whole(A, B, site("c", path="/c"))),  # where the last one ends is not known
        (whole(A, B, C), whole(A, site("d"), C)),
        (whole(A, B, C), whole(A, C)),
        (whole(A, C), whole(A, B, C)),
        (whole(A, B, C), whole(A, B, B, C)),
        (whole(A, B, C), whole(A, site("b", "    nonsense: 1"), C)),
        (whole(A, B, C), whole(A, site("b", "    hosts: [again.test]"), C)),
        (whole(A, B, C), whole(A, site("b", "    routes: ["), C)),
        (whole(A, B, C), whole(A, site("b") + "...\n", C)),
        (whole(A, B, C), whole(A, site("b") + "---\n", C)),
        (whole(A, B, C), whole(A, site("b") + "origins:\n  x: 'http://127.0.0.1:1'\n", C)),
        (whole(A, B, C), whole(A, site("b", "    - 1"), C)),
        (whole(A, B, C), whole(A, "  b:\n", C)),
        (whole(A, B, C), whole(A, "  b: &b\n" + B.partition("\n")[2], C)),
        (whole(A, B, C), whole(A, "   " + B[2:], C)),
        (whole(A, B, C), whole(A, B, C).replace("\n", "\r\n")),
        (whole(A, B, C), whole(A, B.replace("\n", "\r", 1), C)),
        (whole(A, B, C), whole(A, B.replace("/a", "/\x07"), C)),
        (whole(A, B, C), whole(A, B.replace("/a", "*x"), C)),
        (whole(A, B, C), whole(A, B, C).replace("8080", "8081")),
        (whole(A, B, C), ""),
        (whole(A, B, C), whole(A, B, C).encode().replace(b"b.test", b"\xff.test")),
        ("[1]\n", whole(A, B, C)),
        (HEAD, whole(A, B, C)),
        (HEAD + "sites: {}\n", whole(A, B, C)),
        (HEAD + "sites: {\n" + "  a: {hosts: [a.test]},\n  b: {hosts: [b.test]},\n  c: {}}\n",
         HEAD + "sites: {\n" + "  a: {hosts: [z.test]},\n  b: {hosts: [b.test]},\n  c: {}}\n"),
    ],
)  # fmt: skip
def test_what_is_not_plainly_one_site_is_read_as_a_whole(
    before: str | bytes, after: str | bytes
) -> None:
    assert not agree(before, after)


def test_aliases_in_other_sites_stay_what_they_are() -> None:
    first = site("a").replace("respond: {status: 200}", "respond: &r {status: 200}")
    last = site("z", "      - {name: z, path: /z, respond: *r}")
    before = whole(first, B, C, last, tail=TAIL)
    more = site("b", "      - {name: b, path: /b, respond: {status: 404}}")
    assert agree(before, before.replace(B, more))
    assert agree(before.replace(B, more), before)
    assert not agree(before, before.replace(first, first.replace("/a", "/b")))
    used = site("b", "      - {name: b, path: /b, respond: *r}")
    assert not agree(before, before.replace(B, used))


@pytest.mark.parametrize("bound", ["SITE_YAML_NODES_MAX"])
def test_a_file_that_may_hold_too_much_is_counted(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = whole(A, B, C), whole(A, site("b", path="/b"), C)
    assert agree(before, after)
    known = fresh(before)
    room = anew.limits.SITE_YAML_ALIAS_NODES_MAX + len(after)
    monkeypatch.setattr(anew.limits, bound, room - 1)
    assert read_anew(PATH, known, after.encode()) is None


# --- Whatever is written --------------------------------------------------------------------------

_GOOD = st.sampled_from(
    [
        "    # a comment",
        "  # a comment",
        "# a comment",
        "",
        "   ",
        "      - {name: b, path: /b, origin: spare}",
        "      - {name: c, path: /c, redirect: {to: /, status: 301}}",
        "      - name: d\n        path: /d\n        respond:\n          body: |\n            d\n",
        "      - name: e\n        path: /e\n        respond:\n          body: |+\n            e\n",
        "      - name: f\n        path: /f\n        respond:\n          body: >-\n            f\n",
        "      - {name: g, path: /g, respond: {body: 'one\n\n   two'}}",
        "    timeout: 5s",
        "    'class': api",
        "    golden: [\n  {path: /}]",
    ]
)
_ODD_TEXT = (
    "...|---|%YAML 1.1|  a:|  q:|    x: 1|origins:|sites:|\ttab|    ? a|    : b|  - x|- x|\u2028|"
    "    hosts: [z.test]|    routes: []|    timeout: !!str 5s|    <<: *r|    timeout: *t|"
    "    timeout: &t 5s|\ufeff"
)
_ODD = st.sampled_from(_ODD_TEXT.split("|"))
_SITE = st.builds(
    lambda name, more: site(name, *more), st.just("?"), st.lists(_GOOD, max_size=3, unique=True)
)


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, str]:
    """A file, and the same with a site, some lines, or a letter changed."""
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=5, unique=True))
    parts = [draw(_SITE).replace("?", name) for name in names]
    tail = draw(st.sampled_from([TAIL, TAIL + "  # end\n", "  # end\n" + TAIL, "\n" + TAIL]))
    before = whole(*parts, tail=tail)
    which = draw(st.integers(0, len(names) - 1))
    changed = draw(_SITE).replace("?", names[which])
    after = whole(*parts[:which], changed, *parts[which + 1 :], tail=tail)
    how = draw(st.integers(0, 3))
    if how == 1:
        lines = after.split("\n")
        at = draw(st.integers(3, len(lines) - 1))
        new, gone = draw(st.lists(st.one_of(_GOOD, _ODD), max_size=3)), draw(st.integers(0, 3))
        after = "\n".join([*lines[:at], *new, *lines[at + gone :]])
    if how == 2:
        place = draw(st.integers(0, len(after) - 1))
        letter = draw(st.sampled_from(" \n:#-'\"[]{}&*!|>%ab/0,?"))
        after = after[:place] + letter + after[place + draw(st.integers(0, 1)) :]
    return before, after


@settings(deadline=None, max_examples=400)
@given(edits())
@example((whole(A, B, C), whole(A, site("b", path="/b"), C)))
def test_no_reading_can_be_told_from_a_fresh_one(pair: tuple[str, str]) -> None:
    event("read alone" if agree(*pair) else "read as a whole")


@settings(deadline=None, max_examples=150)
@given(edits(), st.integers(1, 3))
def test_one_reading_after_another_can_not_either(pair: tuple[str, str], turns: int) -> None:
    """What was read by what was known is known from then on."""
    known = fresh(pair[0])
    for text in pair[::-1] * turns:
        content = text.encode()
        known = read_anew(PATH, known, content) or fresh(content)
        wanted = fresh(content)
        assert shape(known.tree) == shape(wanted.tree)
        assert (known.model, known.problems) == (wanted.model, wanted.problems)


def test_loading_tells_the_same_places(tmp_path: Path) -> None:
    """All the way to the edge: with includes, places of problems, and a shifted rest."""

    def sources(first: str, second: str) -> SourceSet:
        files = (
            SourceFile(PATH, first.encode()),
            SourceFile("/etc/seawall/sites/one.yaml", second.encode()),
        )
        return SourceSet(PATH, files)

    top = HEAD + "includes: ['sites/*.yaml']\nsites:\n"
    cache = LoadCache()
    for change in ("", "    # one more line\n", "    golden: [{path: /}]\n"):
        given = sources(
            top + A + B + change + C + TAIL,
            "sites:\n" + site("x") + change + site("y"),
        )

        def loaded(given: SourceSet, cache: LoadCache | None) -> Any:
            return load(given, read=lambda path: Path(path).read_bytes(), now_s=0.0, cache=cache)

        known, wanted = loaded(given, cache), loaded(given, None)
        assert known == wanted
        assert any(problem.id for problem in known.problems)
        assert known.edge is not None
