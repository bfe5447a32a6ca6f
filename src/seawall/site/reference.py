"""The documentation pages that are made from the code: the site file and its problems.

`docs/site-file.md` and `docs/problems.md` are the output of the two functions here; a test compares
them, so neither can fall behind the schema and the rules.
"""

from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from seawall.site.catalogue import CATALOGUE
from seawall.site.reference_examples import EXAMPLES
from seawall.site.rules.rule import Rule
from seawall.site.schema.base import Section
from seawall.site.schema.values import Checked, duration_text, size_text

_HEAD: Final = """\
# The site file

The site file is YAML. It describes everything the edge does. `seawall init` writes a commented one.
`seawall check` reports all its problems at once, each with its position. This page lists every key;
it is generated from the program.

How values are written:

| kind | examples |
|---|---|
| duration | `500ms`, `15s`, `5m`, `1h30m`, `365d` |
| size | `512B`, `64KiB`, `10MiB`, `1MB` |
| share | `20%` |
| name | lower-case letters, digits, `-` and `_`, at most 63 characters |
| host | `www.example.com`, `*.example.com` (names below it), `*` (every other name) |

Rules for the whole file:

* Unknown keys, empty keys and duplicate keys are errors.
* Only `true` and `false` are booleans: `yes`, `no`, `on` and `off` are text. `"1.2"` needs its
  quotes, because `1.2` is a number.
* A list with one entry may be written without brackets.
* Anchors (`&name`), aliases (`*name`) and merge keys (`<<: *name`) work, within limits. Tags do
  not.
* File paths are relative to the file that contains them.
* Included files may contain `sites`, `origins` and `certificates`. Every name must be unique across
  all files. In `includes`, `*` does not match a `/`.
"""


def reference_markdown() -> str:
    """The page `docs/site-file.md`."""
    parts = [_HEAD]
    for title, model, example in EXAMPLES:
        parts.append(f"## {title}\n")
        parts.append(f"{' '.join((model.__doc__ or '').split())}\n")
        parts.append("| key | value | default | meaning |\n|---|---|---|---|")
        for name, info in model.model_fields.items():
            parts.append(_row(info.alias or name, info))
        parts.append(f"\n```yaml\n{example.strip()}\n```\n")
    return "\n".join(parts)


def problems_markdown() -> str:
    """The page `docs/problems.md`."""
    head = (
        "# Problems\n\n"
        "Every problem that `seawall check` can report about a site file, by id. All problems are "
        "reported at\nonce, each with file, line and column.\n\n"
        "* An *error* refuses the file: nothing of it is released.\n"
        "* A *warning* does not stop a release.\n\n"
        "An unreadable value or a mistyped key does not hide other problems. Only what depends on "
        "that value is\nchecked later, once the value can be read. A mistake in the YAML syntax "
        "is different: what follows it is\nchecked only after the mistake is fixed. If the name "
        "of a site, route or rule cannot be read, messages\nuse its position instead.\n"
    )
    return "\n".join([head, *(_entry(rule) for rule in sorted(CATALOGUE, key=lambda r: r.id))])


def _entry(rule: Rule) -> str:
    lines = [f"## {rule.id}", "", f"*{rule.severity.value}* — {rule.meaning}", ""]
    if rule.why:
        lines += [f"Why: {rule.why}", ""]
    lines += [f"Remedy: {rule.remedy}", ""]
    if rule.example:
        lines += ["```yaml", rule.example.strip("\n"), "```", ""]
    return "\n".join(lines)


def _row(key: str, info: FieldInfo) -> str:
    checked = next((item for item in info.metadata if isinstance(item, Checked)), None)
    value = _checked_words(checked) if checked else _words(info.annotation)
    return f"| `{key}` | {value} | {_default(info, checked)} | {info.description} |"


def _checked_words(checked: Checked) -> str:
    return f"{checked.kind}, {checked.bounds}" if checked.bounds else checked.kind


def _words(annotation: Any) -> str:
    """What may be written for an annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        checked = next((item for item in arguments[1:] if isinstance(item, Checked)), None)
        return _checked_words(checked) if checked else _words(arguments[0])
    words = _section_words(annotation)
    if origin in (Union, UnionType):
        words = " or ".join(_words(one) for one in arguments if one is not type(None))
    elif origin is tuple:
        words = f"list of {_words(arguments[0])}"
    elif origin is dict:
        words = f"mapping of {_words(arguments[0])} to {_words(arguments[1])}"
    elif origin is Literal:
        words = f"`{str(arguments[0]).lower()}`"
    return words


def _section_words(annotation: Any) -> str:
    title = next((title for title, model, _ in EXAMPLES if model is annotation), "")
    return f"[{title}](#{_anchor(title)})" if title else "text"


def _anchor(title: str) -> str:
    return "".join(
        letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_"
    )


def _default(info: FieldInfo, checked: Checked | None) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if value is None or value in ({}, ()):
        return ""
    if isinstance(value, Section):
        return "see its section"
    checked = checked or _inner_checked(info.annotation)
    return f"`{_value_words(value, checked.kind if checked else '')}`"


def _value_words(value: Any, kind: str) -> str:
    """A default as one would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        separator = "-" if all(isinstance(one, int) for one in value) else ", "
        return separator.join(str(one) for one in value)
    if kind == "share":
        return f"{value * 100:g}%"
    if kind == "duration":
        return duration_text(value)
    return size_text(value) if kind == "size" else str(value)


def _inner_checked(annotation: Any) -> Checked | None:
    for one in (annotation, *get_args(annotation)):
        for item in getattr(one, "__metadata__", ()):
            if isinstance(item, Checked):
                return item
    return None
