"""Any bytes give a result: problems with places, never an exception; and every edge compiles.

The corpus holds whole files: those in `good` load, those in `bad` say in their first line which
problem is expected on which line. Random files are made from the corpus by cutting and mixing.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seawall import limits
from seawall.compiler.compile import compile_edge
from seawall.site.catalogue import CATALOGUE
from seawall.site.load import Loaded
from seawall.site.problem import Severity
from seawall.site.reference_examples import EXAMPLES
from site_text import ROOT, load_text

CORPUS = Path(__file__).parent / "corpus"
GOOD = sorted((CORPUS / "good").glob("*.yaml"))
BAD = sorted((CORPUS / "bad").glob("*.yaml"))
EXPECTED = re.compile(rb"# expect: ([a-z0-9-]+) (\d+)\n")
DOCUMENTED = {rule.id for rule in CATALOGUE}
SEEDS = [path.read_bytes() for path in (*GOOD, *BAD)]
KEYS = sorted(
    {info.alias or name for _, model, _ in EXAMPLES for name, info in model.model_fields.items()}
)
WORDS = [
    *("", "*", "a.example", "http://127.0.0.1:1", "https://a", "/a", "15s", "10MiB", "20%", "api"),
    *("GET", "200-299", "true", "[", "x-a", "127.0.0.1:80", "<<", "a\x00b", "\u2028", "ä", "name"),
]
brief = settings(
    max_examples=max(60, settings().max_examples if settings().max_examples > 100 else 60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def check(content: bytes) -> Loaded:
    """Load and check everything that holds for any file whatever."""
    loaded = load_text(content)
    assert loaded == load_text(content), "loading is not deterministic"
    errors = [p for p in loaded.problems if p.severity is Severity.ERROR]
    assert (loaded.edge is None) == bool(errors)
    assert len(loaded.problems) <= limits.SITE_PROBLEMS_MAX + 1
    lines = re.split(r"\r\n|\r|\n", content.decode("utf-8", "replace"))
    for problem in loaded.problems:
        assert problem.id in DOCUMENTED
        assert problem.location.file == ROOT
        assert 0 <= problem.location.line <= len(lines)
        assert problem.location.column <= max(len(line) for line in lines) + 1
        assert "\n" not in str(problem)
    if loaded.edge is not None:
        compile_edge(loaded.edge)
    return loaded


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_loads(path: Path) -> None:
    loaded = check(path.read_bytes())
    assert [str(p) for p in loaded.problems] == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_has_the_problem_it_announces(path: Path) -> None:
    content = path.read_bytes()
    expected = EXPECTED.match(content)
    assert expected, "the first line announces the problem"
    loaded = check(content)
    assert loaded.edge is None
    found = [(p.id, p.location.line) for p in loaded.problems]
    assert (expected[1].decode(), int(expected[2])) in found


@pytest.mark.fuzz
@brief
@given(st.binary(max_size=300))
def test_any_bytes_give_a_result(content: bytes) -> None:
    check(content)


@pytest.mark.fuzz
@brief
@given(st.text(st.sampled_from("ab:-{}[]&*!|>'\"%@`#,? \n\t\r0.~<"), max_size=120))
def test_any_yaml_punctuation_gives_a_result(text: str) -> None:
    check(text.encode())


@pytest.mark.fuzz
@brief
@given(st.data())
def test_a_file_of_the_corpus_cut_and_mixed_gives_a_result(data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(SEEDS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 40)))
        other = data.draw(st.sampled_from(SEEDS))
        at = data.draw(st.integers(0, len(other)))
        insert = data.draw(
            st.one_of(
                st.just(b""),
                st.binary(max_size=8),
                st.sampled_from(WORDS).map(lambda word: word.encode()),
                st.just(other[at : at + 60]),
            )
        )
        content = content[:start] + insert + content[end:]
    check(content)


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 700),
        st.floats(),
        st.sampled_from(WORDS),
        st.sampled_from(KEYS),
        st.text(max_size=5),
    ),
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=4)), below, max_size=4),
    ),
    max_leaves=25,
)


@pytest.mark.fuzz
@brief
@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=4), values, values)
def test_known_keys_in_wrong_places_give_a_result(top: Any, site: Any, routes: Any) -> None:
    sites = {"a": {"hosts": ["a.example"], "origin": site, "routes": routes}}
    file = {"version": 1, "listen": {"http": "127.0.0.1:80"}, "sites": sites, **top}
    check(json.dumps(file).encode())


good_values = {
    "timeout": st.sampled_from(["0s", "10ms", "15s", "24h"]),
    "idle_timeout": st.sampled_from(["0s", "1s", "24h"]),
    "max_body": st.sampled_from(["1B", "10MiB", "unlimited"]),
    "class": st.sampled_from(["page", "api", "feed", "static"]),
    "host_rewrite": st.sampled_from(["inner.example", "localhost"]),
    "compression": st.sampled_from([True, False, "br", ["gzip", "zstd"]]),
    "security_headers": st.sampled_from([True, False, {"frame_options": "50%"}]),
    "retries": st.sampled_from([False, {"attempts": 10, "on": ["5xx", "reset"]}]),
    "headers": st.sampled_from(
        [{"request": {"set": {"x-a": "%REQ(a)%"}}}, {"response": {"remove": ["x-a", "x-b"]}}]
    ),
}
actions = st.sampled_from(
    [
        {"origin": "https://b.example", "websocket": True},
        {"origin": {"endpoints": "http://b", "protocol": "http2"}, "grpc": True},
        {"redirect": "https://b.example/%20?a=b"},
        {"redirect": {"prefix": "/c", "strip_query": True}},
        {"respond": {"status": 503, "body": "100% {status}"}},
        {"rewrite": {"prefix": "/"}, "timeout": "1h"},
        {"rewrite": {"regex": "(.)/(x)?", "to": "\\2\\\\\\0"}},
        {"headers": {"x-a": {"regex": "a|b"}}, "query": {"q": {"present": False}}},
        {"methods": ["GET", "PURGE"], "query": {"q": {"contains": "%"}}},
    ]
)


@pytest.mark.fuzz
@brief
@given(
    st.fixed_dictionaries({}, optional=good_values),
    st.lists(st.tuples(st.sampled_from(["/a", "/b/", "/c.d", "/%20"]), actions), max_size=4),
)
def test_every_edge_that_loads_compiles(site: dict[str, Any], routes: list[Any]) -> None:
    written = [
        {"name": f"r{index}", "prefix": f"{prefix}{index}", **action}
        for index, (prefix, action) in enumerate(routes)
    ]
    whole = {"hosts": ["a.example", "*.a.example"], "origin": "http://a:1", **site}
    file = {
        "version": 1,
        "listen": {"http": "127.0.0.1:80"},
        "sites": {"a": {**whole, "routes": written}, "any": {"hosts": "*", "origin": "http://b"}},
    }
    loaded = check(json.dumps(file).encode())
    assert loaded.edge is not None, [str(p) for p in loaded.problems]
