r"""Canonical JSON: one value, one text, and a strict way back.

A digest or a signature over JSON only means something when equal values give equal bytes on every
machine. Keys are sorted, there is no white space, text is ASCII with `\u` escapes, and NaN does
not exist. `loads` bounds what it takes and never raises anything but `RefusedError`; that the
text was canonical is checked by whoever knows the fields, by writing them again and comparing.
"""

import json
import math
from typing import cast

from seawall.errors import RefusedError

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def dumps(value: Json) -> bytes:
    """The canonical text of `value`."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return text.encode("ascii")


def loads(text: bytes, what: str) -> dict[str, Json]:
    """Parse an object.

    Args:
        text: untrusted, of a length the caller has bounded.
        what: names the text in a refusal, for example `the manifest of the bundle`.

    Raises:
        RefusedError: not JSON, not an object, or nested too deep.
    """
    try:
        value = cast("Json", json.loads(text.decode("ascii")))
    except (ValueError, RecursionError) as error:
        raise unreadable(what, "is not JSON", detail=str(error)) from error
    if not isinstance(value, dict):
        raise unreadable(what, "is not a JSON object")
    return value


class Fields:
    """Typed, bounded reads from one parsed object; each raises `RefusedError` by name."""

    def __init__(self, value: Json, what: str, *, text_length_chars_max: int) -> None:
        if not isinstance(value, dict):
            raise unreadable(what, "is not a JSON object")
        self._value = value
        self._what = what
        self._text_length_chars_max = text_length_chars_max

    def text(self, key: str) -> str:
        """A string of bounded length."""
        value = self._value.get(key)
        if not isinstance(value, str) or len(value) > self._text_length_chars_max:
            raise unreadable(self._what, f"has no usable text `{key}`")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string of bounded length, or None when it is null."""
        return None if self._value.get(key, "") is None else self.text(key)

    def whole(self, key: str, *, largest: int) -> int:
        """An integer from 0 to `largest`."""
        value = self._value.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
            raise unreadable(self._what, f"has no number `{key}` from 0 to {largest}")
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        value = self._value.get(key)
        if not isinstance(value, float) or not math.isfinite(value):
            raise unreadable(self._what, f"has no finite number `{key}`")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._value.get(key)
        if not isinstance(value, bool):
            raise unreadable(self._what, f"has no `{key}` that is true or false")
        return value

    def raw(self, key: str) -> Json:
        """Whatever there is; None when nothing is."""
        return self._value.get(key)

    def listing(self, key: str, *, length_max: int) -> list[Json]:
        """A list of at most `length_max` items."""
        value = self._value.get(key)
        if not isinstance(value, list) or len(value) > length_max:
            raise unreadable(self._what, f"has no list `{key}` of at most {length_max} items")
        return value


def unreadable(what: str, why: str, *, detail: str = "") -> RefusedError:
    """The refusal of a stored or received text that is damaged or foreign."""
    return RefusedError(
        "release-unreadable",
        f"Cannot read {what}: it {why}.",
        remedy="It is damaged, or another program made it. Fetch it again or use a backup.",
        detail=detail,
    )
