"""Which language a page is in, and its words.

The words are in `static/words.json`, one object a language, all with the same keys; a test holds
that.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from seawall.limits import CHALLENGE_LANGUAGE_HEADER_CHARS_MAX, CHALLENGE_LANGUAGES_READ_MAX

DEFAULT: Final = "en"
LANGUAGES: Final = ("en", "de", "fr", "es", "pt", "it", "nl", "pl", "tr", "ar", "zh", "ja")
_RIGHT_TO_LEFT: Final = frozenset({"ar"})


def choose(accept_language: str) -> str:
    """The best language that we have (RFC 9110 section 12.5.4); English when nothing fits.

    Unknown tags, `und`, `*` and junk are passed over; of equal weights the first is taken.
    """
    best, best_weight = DEFAULT, 0.0
    items = accept_language[:CHALLENGE_LANGUAGE_HEADER_CHARS_MAX].split(",")
    for item in items[:CHALLENGE_LANGUAGES_READ_MAX]:
        tag, _, parameter = item.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter.strip())
        if primary in LANGUAGES and weight > best_weight:
            best, best_weight = primary, weight
    return best


def direction(language: str) -> str:
    """The `dir` attribute."""
    return "rtl" if language in _RIGHT_TO_LEFT else "ltr"


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """The words of all pages, by language and key."""
    text = (resources.files("seawall.challenge") / "static" / "words.json").read_text("utf-8")
    return MappingProxyType(
        {language: MappingProxyType(entry) for language, entry in json.loads(text).items()}
    )


def _weight(parameter: str) -> float:
    if not parameter:
        return 1.0
    name, _, value = parameter.partition("=")
    value = value.strip()
    if name.strip().lower() != "q" or not value.isascii():
        return 0.0
    return min(float(value), 1.0) if value.replace(".", "", 1).isdecimal() else 0.0
