"""Bytes of a file to text, and what is wrong with either in our words."""

import re
from typing import Final

import yaml

from seawall import limits
from seawall.site.problem import Location, Problem, Severity

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_LINE_END: Final = re.compile("\r\n|\r|\n")
_BOM: Final = "\ufeff"


def fault(id_: str, location: Location, what: str, why: str, remedy: str) -> Problem:
    """One about the text itself."""
    return Problem(id_, Severity.ERROR, location, "", what, why, remedy)


def decode(path: str, content: bytes) -> tuple[str, Problem | None]:
    """The text of a file, or why it is none."""
    whole = Location(path, 0, 0)
    if len(content) > limits.SITE_FILE_SIZE_BYTES_MAX:
        what = f"The file has {len(content):,} bytes."
        why = f"At most {limits.SITE_FILE_SIZE_BYTES_MAX:,} are read."
        return "", fault("file-too-large", whole, what, why, "Split it with `includes`.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        what = f"Byte 0x{content[error.start]:02x} is not UTF-8 text."
        remedy = "Save the file as UTF-8."
        return "", fault("not-utf8", _place_after(path, before), what, "", remedy)
    text = text.removeprefix(_BOM)
    if found := _FORBIDDEN.search(text):
        what = f"The file holds the control character U+{ord(found[0]):04X}."
        remedy = 'Remove it, or write it as an escape such as "\\u2028" in double quotes.'
        where = _place_after(path, text[: found.start()])
        return "", fault("control-character", where, what, "", remedy)
    return text, None


def _place_after(path: str, before: str) -> Location:
    lines = _LINE_END.split(before)
    return Location(path, len(lines), len(lines[-1]) + 1)


def syntax_error(path: str, text: str, found: yaml.YAMLError) -> Problem:
    """A parser's complaint in our words, with its own words as the reason."""
    at = getattr(found, "problem_mark", None) or getattr(found, "context_mark", None)
    words = ", ".join(
        part for part in (getattr(found, "context", None), getattr(found, "problem", None)) if part
    )
    lines = _LINE_END.split(text)
    remedy = "Check the indentation and the quotes on this line and on the one before."
    location = Location(path, 0, 0)
    if at is not None:
        line = min(at.line, len(lines) - 1)
        location = Location(path, line + 1, at.column + 1)
        nearby = lines[max(0, line - 1) : line + 1]
        if "alias" in words:
            remedy = 'In YAML `*` begins an alias. Write it in quotes: `"*"`, `"*.example.com"`.'
        if any("\t" in part[: len(part) - len(part.lstrip())] for part in nearby):
            remedy = "Replace the tab by spaces: YAML is indented with spaces only."
    what = "The file is not valid YAML here."
    return fault("yaml-syntax", location, what, f"The parser says: {words or found}.", remedy)
