"""What a signed text is bound to beyond its own words, and the one way to sign.

A clearance, a challenge and a puzzle are only good for the client that they were made for. Host,
network prefix and the stable part of the client's JA4 are known on each request, so they go into
the MAC and not into the text: nothing of the client can be read from its cookie.

`bots/lua/clearance.lua` does the same inside Envoy, byte for byte; a parity test holds them.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from typing import Final

from seawall.limits import (
    CHALLENGE_HOST_LENGTH_CHARS_MAX,
    CHALLENGE_JA4_LENGTH_CHARS_MAX,
    CHALLENGE_PREFIX_LENGTH_CHARS_MAX,
)
from seawall.model.clearance import ClearanceKey

MAC_SIZE_BYTES: Final = 16
"""128 bits of HMAC-SHA-256: truncation to half the output keeps full strength (RFC 2104)."""
NONCE_SIZE_BYTES: Final = 12
"""96 random bits: no two of 2^40 tokens meet by chance."""
NONCE_LENGTH_CHARS: Final = 16
"""The same in base64url."""
_PORT_LENGTH_CHARS_MAX: Final = 6
"""A colon and five digits."""
_VISIBLE: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Bound:
    """The client and host that a signed text is for.

    Attributes:
        host: the authority asked for; case and port do not matter, as for a cookie.
        prefix: the client's network as text, for example `203.0.113.0/24`.
        ja4: JA4_a without its count of extensions, `_`, and JA4_b; `-` without TLS. Stable over
            GREASE and session resumption, which the full JA4 is not.
    """

    host: str
    prefix: str
    ja4: str

    def text(self) -> bytes | None:
        """What goes into a MAC; None when a part is empty, too long or not visible ASCII."""
        if len(self.host) > CHALLENGE_HOST_LENGTH_CHARS_MAX + _PORT_LENGTH_CHARS_MAX:
            return None
        host = bound_host(self.host)
        for part, longest in (
            (host, CHALLENGE_HOST_LENGTH_CHARS_MAX),
            (self.prefix, CHALLENGE_PREFIX_LENGTH_CHARS_MAX),
            (self.ja4, CHALLENGE_JA4_LENGTH_CHARS_MAX),
        ):
            if len(part) > longest or not _VISIBLE.fullmatch(part):
                return None
        return f"\n{host}\n{self.prefix}\n{self.ja4}".encode("ascii")


def bound_host(authority: str) -> str:
    """The authority in lower case and without its port: what a cookie is for (RFC 6265)."""
    end = len(authority)
    while end > 0 and "0" <= authority[end - 1] <= "9":
        end -= 1
    if end > 1 and authority[end - 1] == ":":
        authority = authority[: end - 1]
    return authority.translate(_LOWER)


_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def mac(key: ClearanceKey, *parts: bytes) -> str:
    """Truncated HMAC-SHA-256 of the parts put together, as text. The caller separates parts."""
    digest = hmac.digest(key.value.reveal(), b"".join(parts), "sha256")
    return b64(digest[:MAC_SIZE_BYTES])


def same(one: str, other: str) -> bool:
    """Constant-time comparison of texts: encodings are compared, so none has a second spelling."""
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )


def b64(data: bytes) -> str:
    """Base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
