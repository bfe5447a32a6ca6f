"""docs/limits.md, from the constants and docstrings of `seawall.limits`."""

import ast
from itertools import pairwise
from pathlib import Path

from seawall import limits

UNITS = {
    "BYTES": "bytes",
    "S": "s",
    "MS": "ms",
    "CHARS": "characters",
    "SHARE": "share",
    "KIB": "KiB",
}


def limits_markdown() -> str:
    """The page: one table a section, in the order of the file."""
    source = Path(limits.__file__).read_text()
    lines = [
        "# Limits",
        "",
        "Every bound of Seawall, its value and its reason. Reaching one is a normal event with a",
        "clear message. The source is `src/seawall/limits.py`; this page is generated from it.",
    ]
    sections = _sections(source)
    tree = ast.parse(source)
    table_of = ""
    for name, line, reason in _constants(tree):
        section = max((s for s in sections if s[0] < line), default=(0, ""))[1]
        if section != table_of:
            table_of = section
            lines += ["", f"## {section}", "", "| limit | value | why |", "|---|---|---|"]
        lines.append(f"| `{name}` | {_value(name)} | {reason} |")
    return "\n".join(lines) + "\n"


def _sections(source: str) -> list[tuple[int, str]]:
    return [
        (number, line.strip("# -"))
        for number, line in enumerate(source.splitlines(), 1)
        if line.startswith("# --- ")
    ]


def _constants(tree: ast.Module) -> list[tuple[str, int, str]]:
    found = []
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            reason = " ".join(str(after.value.value).split())
            found.append((node.target.id, node.lineno, reason))
    return found


def _value(name: str) -> str:
    value = getattr(limits, name)
    words = name.split("_")
    unit = next((UNITS[w] for w in reversed(words) if w in UNITS), "")
    if ("PER", "S") in pairwise(words):
        unit = "per s"
    if unit == "bytes":
        for size, word in ((limits.GIB, "GiB"), (limits.MIB, "MiB"), (limits.KIB, "KiB")):
            if value >= size and value % size == 0:
                return f"{value // size} {word}"
    if unit == "share":
        return f"{100 * value:g}%"  # of a thousandth, too
    number = f"{value:,}" if isinstance(value, int | float) else str(value)
    return f"{number} {unit}".strip()
