"""The two cookies: the clearance, and the echo that shows that cookies work.

Over https both carry the `__Host-` prefix, so no other host, path or plain connection can set
them (RFC 6265bis section 4.1.3). `Lax` lets them come along when a visitor follows a link.
"""

from dataclasses import dataclass
from typing import Final

from seawall.limits import CHALLENGE_COOKIE_HEADER_CHARS_MAX, CHALLENGE_ECHO_LIFETIME_S

_CLEARANCE: Final = "seawall"
_ECHO: Final = "seawall-try"
_VALUE_LENGTH_CHARS_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Jar:
    """Names and texts of the cookies over one scheme."""

    secure: bool

    @property
    def clearance(self) -> str:
        """Name of the clearance cookie."""
        return self._name(_CLEARANCE)

    @property
    def echo(self) -> str:
        """Name of the echo cookie."""
        return self._name(_ECHO)

    def set_clearance(self, token: str, lifetime_s: int) -> str:
        """`Set-Cookie` for a clearance."""
        return self._set(self.clearance, token, lifetime_s)

    def set_echo(self, text: str) -> str:
        """`Set-Cookie` for the echo."""
        return self._set(self.echo, text, CHALLENGE_ECHO_LIFETIME_S)

    def _name(self, plain: str) -> str:
        return f"__Host-{plain}" if self.secure else plain

    def _set(self, name: str, value: str, lifetime_s: int) -> str:
        secure = "; Secure" if self.secure else ""
        return f"{name}={value}; Path=/; Max-Age={lifetime_s}; HttpOnly; SameSite=Lax{secure}"


def values(header: str, name: str) -> list[str]:
    """All values of cookie `name`, in order; none from a header or value that is too long."""
    if len(header) > CHALLENGE_COOKIE_HEADER_CHARS_MAX:
        return []
    found = []
    for pair in header.split(";"):
        its_name, _, value = pair.strip(" \t").partition("=")
        if its_name == name and 0 < len(value) <= _VALUE_LENGTH_CHARS_MAX:
            found.append(value)
    return found
