"""YAML text to a located tree: what is accepted, what is refused, and where it is said to be."""

import pytest

from seawall import limits
from seawall.site.parse import parse
from seawall.site.problem import Problem
from seawall.site.tree import ListNode, MapNode, find_mark, place


def tree(text: str) -> MapNode:
    node, problems = parse("f", text.encode())
    assert problems == []
    assert node is not None
    return node


def problems_of(text: str | bytes) -> list[Problem]:
    return parse("f", text if isinstance(text, bytes) else text.encode())[1]


def the_problem(text: str | bytes) -> tuple[str, int, int]:
    (problem,) = problems_of(text)
    return problem.id, problem.location.line, problem.location.column


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("n", "n"),
        ("12", 12),
        ("-3", -3),
        ("+7", 7),
        ("0", 0),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1.2.3", "1.2.3"),
        ("2024-01-01", "2024-01-01"),
        ('"1.2"', "1.2"),
        ("'true'", "true"),
        ('""', ""),
        ("10.0.0.1", "10.0.0.1"),
        ("-", None),
    ],
)
def test_an_unquoted_word_means_what_it_looks_like(written: str, value: object) -> None:
    if value is None:
        assert problems_of(f"a: {written}") != []
        return
    found = tree(f"a: {written}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_places_count_from_one_and_point_at_keys_values_and_items() -> None:
    node = tree("a: 1\nb:\n  - x\n  - {c: d}\n")
    assert str(place("f", find_mark(node, node.at, ["a"], of_key=True))) == "f:1:1"
    assert str(place("f", find_mark(node, node.at, ["a"]))) == "f:1:4"
    assert str(place("f", find_mark(node, node.at, ["b", 1]))) == "f:4:5"
    assert str(place("f", find_mark(node, node.at, ["b", 1, "c"]))) == "f:4:9"
    assert str(place("f", find_mark(node, node.at, ["b", 9, "zz"]))) == "f:3:3"


def test_an_alias_stands_where_it_is_written_and_its_content_where_it_was() -> None:
    node = tree("a: &x {k: v}\nb: *x\n")
    assert node["b"] == {"k": "v"}
    assert place("f", find_mark(node, node.at, ["b"])).line == 2
    assert place("f", find_mark(node, node.at, ["b", "k"])).line == 1


def test_merge_keys_give_way_to_written_keys() -> None:
    node = tree("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 9}\n")
    assert node["c"] == {"x": 9, "y": 2, "z": 4}
    assert tree('a: {"<<": 1}')["a"] == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", ("duplicate-key", 2, 1)),
        ("a: {b: 1, b: 2}\n", ("duplicate-key", 1, 11)),
        ("404: x\n'404': y\n", ("duplicate-key", 2, 1)),
        ("a:\n", ("empty-value", 1, 1)),
        ("a: [1, ~]\n", ("empty-value", 1, 8)),
        ("a: !!str 5\n", ("tag-not-supported", 1, 4)),
        ("a: !x {b: 1}\n", ("tag-not-supported", 1, 4)),
        ("a: .nan\n", ("not-finite", 1, 4)),
        ("a: -.inf\n", ("not-finite", 1, 4)),
        ("a: 1e999\n", ("not-finite", 1, 4)),
        ("a: " + "9" * 5000 + "\n", ("not-finite", 1, 4)),
        ("a: *nobody\n", ("bad-alias", 1, 4)),
        ("a: &x [*x]\n", ("bad-alias", 1, 8)),
        ("{a: 1}: 2\n", ("bad-key", 1, 1)),
        ("a: {<<: 5}\n", ("bad-merge", 1, 9)),
        ("a: 1\n---\nb: 2\n", ("several-documents", 2, 1)),
        ("- a\n", ("not-a-mapping", 1, 1)),
        ("words\n", ("not-a-mapping", 1, 1)),
        ("", ("empty-file", 0, 0)),
        ("# nothing\n", ("empty-file", 0, 0)),
        ("a: b: c\n", ("yaml-syntax", 1, 5)),
        ("a: 'x\n", ("yaml-syntax", 2, 1)),
        (b"a: b\nc: \xff\n", ("not-utf8", 2, 4)),
        ("a: b".encode("utf-16"), ("not-utf8", 1, 1)),
        (b"a: b\nc: x\x00y\n", ("control-character", 2, 5)),
        ("a: x\u2028y\n", ("control-character", 1, 5)),
    ],
)
def test_bad_text_is_one_problem_with_its_place(
    text: str | bytes, expected: tuple[str, int, int]
) -> None:
    assert the_problem(text) == expected


def test_a_byte_order_mark_is_passed_over() -> None:
    assert tree("\ufeffa: 1\n") == {"a": 1}


def test_windows_line_ends_are_fine() -> None:
    node = tree("a: 1\r\nb: 2\r\n")
    assert place("f", find_mark(node, node.at, ["b"])).line == 2


def test_a_tab_as_indentation_is_named() -> None:
    (problem,) = problems_of("a:\n\tb: 1\n")
    assert problem.id == "yaml-syntax"
    assert "tab" in problem.remedy


@pytest.mark.parametrize("hosts", ["[*]", "*", "[*.example.com]"])
def test_a_star_without_quotes_is_told_to_need_them(hosts: str) -> None:
    (problem,) = problems_of(f"hosts: {hosts}\n")
    assert problem.id == "yaml-syntax"
    assert '`"*"`' in problem.remedy


def test_all_problems_of_a_file_are_told_at_once() -> None:
    found = problems_of("a: 1\na: 2\nb: !x 1\nc: .inf\nd: *no\n")
    assert [problem.id for problem in found] == [
        "duplicate-key",
        "tag-not-supported",
        "not-finite",
        "bad-alias",
    ]


def test_deep_nesting_is_refused_without_reading_on() -> None:
    for text in ("a: " + "[" * 100_000, "a: " + "{b: " * 50_000):
        assert [p.id for p in problems_of(text)] == ["file-too-complex"]


def test_the_deepest_allowed_nesting_is_read() -> None:
    depth = limits.SITE_YAML_DEPTH_MAX - 1
    node: object = tree("a: " + "[" * depth + "1" + "]" * depth)["a"]
    for _ in range(depth):
        assert isinstance(node, ListNode)
        node = node[0]
    assert node == 1


def test_aliases_cannot_nest_deeper_than_text() -> None:
    lines = ["a0: &a0 [1]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60)]
    assert [p.id for p in problems_of("\n".join(lines))] == ["file-too-complex"]


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    assert [p.id for p in problems_of("\n".join(lines))] == ["file-too-complex"]


def test_wide_sharing_is_bounded_like_nesting() -> None:
    hundred = f"a: &a [{', '.join('x' * 100)}]\n"
    uses = limits.SITE_YAML_ALIAS_NODES_MAX // 101
    assert problems_of(hundred + f"b: [{', '.join(['*a'] * uses)}]\n") == []
    (problem,) = problems_of(hundred + f"b: [{', '.join(['*a'] * (uses + 1))}]\n")
    assert problem.id == "file-too-complex"
    assert "aliases" in problem.what


def test_merge_keys_count_as_aliases() -> None:
    keys = ", ".join(f"k{n}: {n}" for n in range(1000))
    text = f"a: &a {{{keys}}}\n" + "".join(f"b{n}: {{<<: *a}}\n" for n in range(1000))
    assert [p.id for p in problems_of(text)] == ["file-too-complex"]


def test_entries_of_one_place_are_bounded() -> None:
    most = limits.SITE_YAML_ENTRIES_MAX
    assert problems_of("a: [" + "1, " * most + "]") == []
    for text in ("a: [" + "1, " * (most + 1) + "]", "".join(f"k{n}: 1\n" for n in range(most + 1))):
        assert [p.id for p in problems_of(text)] == ["file-too-complex"]


def test_a_file_over_the_size_limit_is_not_parsed() -> None:
    assert the_problem(b"a" * (limits.SITE_FILE_SIZE_BYTES_MAX + 1)) == ("file-too-large", 0, 0)


def test_problems_of_one_file_are_bounded() -> None:
    found = problems_of("".join(f"a: {n}\n" for n in range(5000)))
    assert len(found) == limits.SITE_PROBLEMS_MAX
