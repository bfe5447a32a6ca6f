r"""Regular expressions, by the engine that Envoy uses: Python's own accepts what Envoy refuses.

Envoy gives RE2 bytes (Latin-1): `.` is one byte, and `\x{100}` is none. So does this.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from seawall import limits


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled expression, or why there is none: exactly one of the two is set.

    Attributes:
        pattern: of bytes; None when the expression is no good.
        groups: number of capturing groups.
    """

    pattern: Any
    error: str
    groups: int = 0


def compile_regex(regex: str) -> Compiled:
    """Compile with RE2 and bound the size of the program."""
    if len(regex) > limits.REGEX_LENGTH_CHARS_MAX:
        return Compiled(None, f"it is longer than {limits.REGEX_LENGTH_CHARS_MAX:,} characters")
    return _compile(regex)


@lru_cache(maxsize=20_000)
def _compile(regex: str) -> Compiled:
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    try:
        pattern = re2.compile(regex.encode(), options=options)
    except (re2.error, UnicodeError) as error:
        words = error.args[0] if error.args else error
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        return Compiled(None, f"RE2 says: {text[:200]}")
    if pattern.programsize > limits.REGEX_PROGRAM_SIZE_MAX:
        steps = f"{pattern.programsize:,} steps, {limits.REGEX_PROGRAM_SIZE_MAX:,} are allowed"
        return Compiled(None, f"it is too costly to match ({steps})")
    return Compiled(pattern, "", pattern.groups)
