"""What an unquoted word of YAML means: the core schema of YAML 1.2, made stricter.

Only `true`, `false`, `null`, whole numbers and decimal numbers are more than text. `yes`, `no`,
`on` and `off` stay text (in YAML 1.1 they were booleans: the country code `no` became false), and
so do numbers with a leading zero (`010` is 8 or 10, depending on whom you ask).
https://yaml.org/spec/1.2.2/#103-core-schema
"""

import math
import re
from typing import Final

from seawall.site.tree import Scalar

_NUMBER_LENGTH_CHARS_MAX: Final = 40
_WORDS: Final[dict[str, Scalar]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?\.?[0-9]+(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9]")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAYBE_NUMBER: Final = frozenset("0123456789+-.")


class NotFiniteError(ValueError):
    """The word is an infinity, not a number at all, or too large to hold."""


def resolve(word: str) -> Scalar:
    """The value of a plain (unquoted) scalar.

    Raises:
        NotFiniteError: the word means an infinite number, NaN, or one of absurd length.
    """
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in _MAYBE_NUMBER or _LEADING_ZERO.match(word):
        return word
    if _NOT_FINITE.fullmatch(word):
        raise NotFiniteError(word)
    if _INTEGER.fullmatch(word):
        if len(word) > _NUMBER_LENGTH_CHARS_MAX:
            raise NotFiniteError(word)
        return int(word)
    if _DECIMAL.fullmatch(word):
        number = float(word)
        if len(word) > _NUMBER_LENGTH_CHARS_MAX or not math.isfinite(number):
            raise NotFiniteError(word)
        return number
    return word
