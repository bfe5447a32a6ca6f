"""Where a signer's keys stand: the value of `Signature-Agent` as one canonical address.

The draft's version 01 has a direct address of a JWK Set there; versions before had the origin of a
key directory, and deployed signers still send that. An origin becomes the address of its
directory, so that both forms name the same keys. The query is dropped, as the draft says of the
identifier.
"""

import re
from typing import Final
from urllib.parse import urlsplit

WELL_KNOWN: Final = "/.well-known/http-message-signatures-directory"
_URL: Final = re.compile(
    r"https://[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::\d{1,5})?(?:/[!-\"$->@-\[\]-~]*)?(?:\?[!-~]*)?",
    re.IGNORECASE,
)
_CHARS_MAX: Final = 512
_PORTS: Final = range(1, 1 << 16)


def canonical(value: object) -> str | None:
    """The address of the keys that `value` names, or None when it is no plain https address."""
    if type(value) is not str or len(value) > _CHARS_MAX or not _URL.fullmatch(value):
        return None
    parts = urlsplit(value)
    host, _, port = parts.netloc.lower().partition(":")
    if port and int(port) not in _PORTS:
        return None
    shown = host if port in {"", "443"} else f"{host}:{int(port)}"
    path = WELL_KNOWN if parts.path in {"", "/"} else parts.path
    return f"https://{shown}{path}"
