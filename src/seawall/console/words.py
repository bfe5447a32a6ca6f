"""Numbers and foreign text in words: one way to write a duration, a size, a share, a time.

Text that came from outside (a path of a request, Envoy's words, a message of another operator) goes
through `clean` before it reaches a terminal: an escape sequence in it must be read, not obeyed.
"""

import os
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9 ./_-]")
_KIB: Final = 1024
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_UNKNOWN: Final = "-"


def clean(text: str) -> str:
    """`text` with every control character written as an escape; line breaks stay."""
    return "".join(
        c if c == "\n" or (c.isprintable() or c == " ") else c.encode("unicode_escape").decode()
        for c in text
    )


def duration(value_s: float | None) -> str:
    """Seconds as people say them: `4 ms`, `1.3 s`, `5 min`, `3 h`, `12 d`; `-` when unknown."""
    if value_s is None:
        return _UNKNOWN
    steps = (
        (0.9995, f"{value_s * 1000:.0f} ms"),
        (9.95, f"{value_s:.1f} s"),
        (2 * _MINUTE_S, f"{value_s:.0f} s"),
        (2 * _HOUR_S, f"{value_s / _MINUTE_S:.0f} min"),
        (2 * _DAY_S, f"{value_s / _HOUR_S:.0f} h"),
    )
    for below, words in steps:
        if value_s < below:
            return words
    return f"{value_s / _DAY_S:.0f} d"


def age(then_s: float, now_s: float) -> str:
    """How long ago: `just now`, `40 s ago`; a time ahead of the clock says so."""
    passed_s = now_s - then_s
    if passed_s < -1:
        return f"{duration(-passed_s)} ahead of this clock"
    return "just now" if passed_s < 1 else f"{duration(passed_s)} ago"


def moment(at_s: float) -> str:
    """A point in time in the reader's own time zone, to the second."""
    try:
        return datetime.fromtimestamp(at_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    except (OverflowError, ValueError):
        return "a time beyond any calendar"


def size(value_bytes: float | None) -> str:
    """Bytes in binary units: `512 B`, `1.5 MiB`."""
    if value_bytes is None:
        return _UNKNOWN
    amount = float(value_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < _KIB:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _KIB
    return f"{amount:.1f} TiB"


def share(value: float | None) -> str:
    """A share of 1 in percent: `0 %`, `0.02 %`, `12 %`."""
    if value is None:
        return _UNKNOWN
    percent = value * 100
    if percent == 0:
        return "0 %"
    return f"{percent:.2f} %" if percent < 1 else f"{percent:.0f} %"


def rate(value: float | None) -> str:
    """Requests a second."""
    if value is None:
        return _UNKNOWN
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004 - three digits


def count(number: int, one: str, many: str = "") -> str:
    """`1 site`, `3 sites`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def argument(path: Path) -> str:
    """A path as it is typed in a shell: like `place`, in quotes where it needs them.

    What cannot be shown, such as the bytes of a name in another encoding, is written in numbers.
    """
    shown = place(os.fspath(path))
    if shown.isprintable():
        return shlex.quote(shown)
    letters = (chr(byte) for byte in os.fsencode(shown))
    return "$'" + "".join(c if _PLAIN.fullmatch(c) else f"\\{ord(c):03o}" for c in letters) + "'"


def place(file: str, line: int = 0, column: int = 0) -> str:
    """`file:line:column`, relative to the current directory when the file lies beneath it.

    Not to `/`, where services run: what stands in their log is read elsewhere.
    """
    shown = file
    try:
        relative = os.path.relpath(file) if Path(file).is_absolute() else file
    except (OSError, ValueError):
        relative = file
    if not relative.startswith("..") and file != f"/{relative}":
        shown = relative
    if not line:
        return shown
    return f"{shown}:{line}:{column}" if column else f"{shown}:{line}"
