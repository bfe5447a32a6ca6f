"""One setting of a large file is found as in the whole tree, and not looked for in vain."""

import pytest

from seawall.site.parse import parse, value_of

HEAD = "version: 1\nsites: {}\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        HEAD + "lists: {bad: {file: bad.txt}}\n",
        HEAD + "'lists': {bad: {file: bad.txt}}\n",
        HEAD + '"l\\u0069sts": {bad: {file: bad.txt}}\n',
        HEAD + "# lists: {bad: {file: bad.txt}}\n",
        "x: &x {lists: {bad: {}}}\n<<: *x\n",
    ],
)
def test_it_is_what_the_whole_tree_has(text: str) -> None:
    tree, _ = parse("/s.yaml", text.encode())
    assert tree is not None
    assert value_of("/s.yaml", text.encode(), "lists") == tree.get("lists")


@pytest.mark.parametrize("content", [b"", b"\xff", b"- lists\n", b"lists: [\n"])
def test_a_file_that_makes_no_sense_has_none(content: bytes) -> None:
    assert value_of("/s.yaml", content, "lists") is None
