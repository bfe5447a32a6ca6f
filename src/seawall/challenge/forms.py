"""A form that a visitor was sending when the challenge came: kept in the page, sent again after it.

Only forms that come through unchanged are kept: `application/x-www-form-urlencoded` in UTF-8 that a
browser would write the same way again. And only the site's own: a form that another site submits in
a visitor's name arrives without `SameSite` cookies and with that site's `Origin`; sent
again from our page it would carry the cookies. Such a form is not kept.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from seawall.limits import CHALLENGE_FORM_FIELDS_MAX, CHALLENGE_FORM_SIZE_BYTES_MAX

FORM_TYPE: Final = "application/x-www-form-urlencoded"
_BROKEN: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
"""No browser writes that, and to decode 60 KiB of it takes 30 ms."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Fields of a form in their order; empty for a form without any."""

    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NotKept:
    """There was a body, and a page cannot send it again unchanged.

    Attributes:
        own: a page of this very site sent it, so the browser itself may send it again.
    """

    own: bool = False


def keep(
    method: str, content_type: str, body: bytes, *, same_origin: bool
) -> Kept | NotKept | None:
    """What becomes of a request's body; None when the method has none to keep."""
    if method in {"GET", "HEAD"}:
        return None
    if method != "POST" or not same_origin or not (is_form(content_type) or not body):
        return NotKept(own=same_origin)
    fields = _fields(body)
    if fields is None or not all(_returns_unchanged(name, value) for name, value in fields):
        return NotKept(own=same_origin)
    return Kept(fields)


def _fields(body: bytes) -> tuple[tuple[str, str], ...] | None:
    """The fields of a form within its bounds and in UTF-8; None for any other body."""
    if len(body) > CHALLENGE_FORM_SIZE_BYTES_MAX or _BROKEN.search(body):
        return None
    try:
        found = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            encoding="utf-8",
            errors="strict",
            max_num_fields=CHALLENGE_FORM_FIELDS_MAX,
        )
    except ValueError:  # UnicodeDecodeError too
        return None
    return tuple(found)


def is_form(content_type: str) -> bool:
    """Whether the media type is that of a plain form."""
    return content_type.partition(";")[0].strip().lower() == FORM_TYPE


def is_same_origin(origin: str, fetch_site: str, host: str, scheme: str) -> bool:
    """Whether the request was made by a page of this very site.

    A browser says so by `Sec-Fetch-Site` or `Origin`; one that says neither is not believed.
    """
    if fetch_site:
        return fetch_site == "same-origin"
    if not origin or origin == "null":
        return False
    try:
        parts = urlsplit(origin)
        return parts.scheme == scheme and parts.netloc.lower() == host.lower()
    except ValueError:
        return False


_SPECIAL: Final = frozenset({"_charset_", "isindex"})
"""Names to which browsers give a value of their own (HTML, form submission)."""


def _returns_unchanged(name: str, value: str) -> bool:
    """Whether HTML brings a field back as it is: no NUL, and line ends as browsers send them."""
    if name == "" or name.lower() in _SPECIAL:
        return False
    rest = (name + value).replace("\r\n", "")
    return "\0" not in rest and "\r" not in rest and "\n" not in rest
