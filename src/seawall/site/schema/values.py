"""The small values of a site file: durations, sizes, shares, names, hosts, headers, addresses.

Each kind is an annotation that pydantic calls as a plain function and that `site.reference` reads
for the documentation. A value that is no good raises `PydanticCustomError`, whose type is the
problem id and whose context holds the remedy.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn, TypeAlias

from pydantic_core import PydanticCustomError, core_schema

from seawall import limits

_DURATION_UNITS_S: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
    "w": 604_800.0,
}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,6})?(?:ms|s|m|h|d|w))+")
_DURATION_PART: Final = re.compile(r"([0-9.]+)(ms|s|m|h|d|w)")
_SIZE_UNITS_BYTES: Final = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": limits.KIB,
    "MiB": limits.MIB,
    "GiB": limits.GIB,
}
_SIZE: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(B|[kK]B|MB|GB|KiB|MiB|GiB)")
_SHARE: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")
_MEMORY_MAX: Final = 20_000
_SHOWN_CHARS_MAX: Final = 60


def refuse(id_: str, what: str, remedy: str, *, key: str = "") -> NoReturn:
    """Raise the error that becomes a problem with this id, sentence and remedy.

    `key` is the one without which a mapping makes sense: the rest of it is looked at then.
    """
    context = {"what": what, "remedy": remedy, "key": key}
    raise PydanticCustomError(id_, "{what}", context)


@dataclass(frozen=True)
class Checked:
    """An annotation: the value is what `check` returns; equal short words are checked once.

    Attributes:
        check: takes the YAML value, returns the value of the model, or calls `refuse`.
        kind: how the documentation calls such a value.
        bounds: smallest and largest, as written by people; may be empty.
    """

    check: Callable[[Any], Any]
    kind: str
    bounds: str = ""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        """Checked by one function; remembered, since sites repeat their values."""
        known: dict[Any, Any] = {}
        check = self.check

        def remembered(value: Any) -> Any:
            if type(value) is not str or len(value) > limits.SITE_WORD_REMEMBERED_CHARS_MAX:
                return check(value)
            found = known.get(value, known)
            if found is known:
                found = check(value)
                if len(known) < _MEMORY_MAX:
                    known[value] = found
            return found

        return core_schema.no_info_plain_validator_function(remembered)


def shown(value: Any) -> str:
    """A YAML value as people wrote it, short, for a message."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    rest = "…" if len(text) > _SHOWN_CHARS_MAX else ""
    return f"`{text[:_SHOWN_CHARS_MAX]}{rest}`"


# --- Durations, sizes, shares, counts -------------------------------------------------------------


def duration_text(seconds: float) -> str:
    """Seconds as one would write them: `15s`, `5m`, `1h30m`, `500ms`."""
    left_ms = round(seconds * 1000)
    if left_ms == 0:
        return "0s"
    parts = []
    for unit, size_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        count, left_ms = divmod(left_ms, size_ms)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) + (f"{left_ms}ms" if left_ms else "")


def size_text(size: int) -> str:
    """Bytes as one would write them: `10MiB`, `64KiB`, `512B`."""
    for unit, factor in (("GiB", limits.GIB), ("MiB", limits.MIB), ("KiB", limits.KIB)):
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def duration(least: str, most: str, *, zero: str = "") -> Checked:
    """A span of time in seconds, between two others; `zero` says what `0s` means, if allowed."""
    least_s, most_s = _seconds(least), _seconds(most)
    bounds = f"{least} to {most}" + (f", or `0s` for {zero}" if zero else "")

    def check(value: Any) -> float:
        if not isinstance(value, str) or not _DURATION.fullmatch(value):
            unit = f"{value}s" if isinstance(value, int) and not isinstance(value, bool) else "15s"
            refuse(
                "bad-duration",
                f"{shown(value)} is not a duration.",
                f"Write a number with its unit, such as `{unit}` (ms, s, m, h, d or w).",
            )
        seconds = _seconds(value)
        if not (least_s <= seconds <= most_s or (zero and seconds == 0)):
            refuse("out-of-range", f"{shown(value)} is out of bounds.", f"Allowed: {bounds}.")
        return seconds

    return Checked(check, "duration", bounds)


def _seconds(text: str) -> float:
    total_s = 0.0
    for number, unit in _DURATION_PART.findall(text):
        total_s += float(number) * _DURATION_UNITS_S[unit]
    return round(total_s, 6)


def size(least: str, most: str, *, unlimited: bool = False) -> Checked:
    """A number of bytes; the word `unlimited` gives 0 where that is allowed."""
    least_bytes, most_bytes = _bytes(least), _bytes(most)
    bounds = f"{least} to {most}" + (", or `unlimited`" if unlimited else "")

    def check(value: Any) -> int:
        if unlimited and value == "unlimited":
            return 0
        if not isinstance(value, str) or not _SIZE.fullmatch(value):
            refuse(
                "bad-size",
                f"{shown(value)} is not a size.",
                "Write a number with its unit, such as `10MiB` or `64KiB`.",
            )
        count = _bytes(value)
        if not least_bytes <= count <= most_bytes:
            refuse("out-of-range", f"{shown(value)} is out of bounds.", f"Allowed: {bounds}.")
        return count

    return Checked(check, "size", bounds)


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text)
    return round(float(found[1]) * _SIZE_UNITS_BYTES[found[2]]) if found else 0


def per_cent(least: float, most: float) -> Checked:
    """A share in per cent, as 0 to 1."""
    bounds = f"{least:g}% to {most:g}%"

    def check(value: Any) -> float:
        found = _SHARE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            refuse("bad-share", f"{shown(value)} is not a share.", "Write it as `20%`.")
        per_cent = float(found[1])
        if not least <= per_cent <= most:
            refuse("out-of-range", f"{shown(value)} is out of bounds.", f"Allowed: {bounds}.")
        return round(per_cent / 100, 8)

    return Checked(check, "share", bounds)


def count(least: int, most: int) -> Checked:
    """A whole number."""
    bounds = f"{least:,} to {most:,}"

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            remedy = f"Write a number without quotes and unit. Allowed: {bounds}."
            refuse("wrong-type", f"{shown(value)} is not a whole number.", remedy)
        if not least <= value <= most:
            refuse("out-of-range", f"{shown(value)} is out of bounds.", f"Allowed: {bounds}.")
        return value

    return Checked(check, "number", bounds)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        meant = "true" if value in ("yes", "on", 1) else "false"
        hint = f"Write `{meant}`." if value in ("yes", "no", "on", "off", 0, 1) else ""
        refuse("wrong-type", f"{shown(value)} is not `true` or `false`.", hint or "Write one.")
    return value


Flag: TypeAlias = Annotated[bool, Checked(_flag, "true or false")]


# --- Words ----------------------------------------------------------------------------------------


def text(value: Any, *, empty: bool = False) -> str:
    """A string, not a number that was written without quotes."""
    if not isinstance(value, str):
        is_word = isinstance(value, bool | int | float)
        written = str(value).lower() if isinstance(value, bool) else value
        remedy = f'Put it in quotes: "{written}".' if is_word else "Write a single value here."
        refuse("wrong-type", f"{shown(value)} is not text.", remedy)
    if not value and not empty:
        refuse("wrong-type", "The text is empty.", "Write a value, or remove the key.")
    return value


def one_of(*words: str) -> Checked:
    """One of a few words."""
    known = frozenset(words)

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            choices = ", ".join(f"`{word}`" for word in words)
            hint = did_you_mean(value if isinstance(value, str) else str(value), words)
            refuse("unknown-value", f"{shown(value)} is not known here.", hint or f"Use {choices}.")
        return value

    return Checked(check, " \\| ".join(f"`{word}`" for word in words))


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or nothing."""
    shortened = word[: limits.NAME_LENGTH_CHARS_MAX]
    near = difflib.get_close_matches(shortened, list(known), n=1, cutoff=0.6)
    return near[0] if near else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest known word, or nothing."""
    near = nearest(word.lower(), known)
    return f"Did you mean `{near}`?" if near else ""


def check_name(value: Any) -> str:
    """A name of a site, route, origin or certificate."""
    name = text(value)
    if len(name) > limits.NAME_LENGTH_CHARS_MAX or not _NAME.fullmatch(name):
        refuse(
            "bad-name",
            f"{shown(name)} is not a name.",
            "Use lower-case letters, digits, `-` and `_`, at most "
            f"{limits.NAME_LENGTH_CHARS_MAX} characters, letter or digit at both ends.",
        )
    return name


Text: TypeAlias = Annotated[str, Checked(text, "text")]
Name: TypeAlias = Annotated[str, Checked(check_name, "name")]


def _file_path(value: Any) -> str:
    path = text(value)
    if "\x00" in path or len(path) > limits.PATH_LENGTH_CHARS_MAX:
        refuse("bad-path", f"{shown(path)} is not a file name.", "Write the path of a file.")
    return path


FilePath: TypeAlias = Annotated[str, Checked(_file_path, "file path")]
