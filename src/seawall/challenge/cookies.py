"""The two cookies: the clearance, and the echo that shows that cookies work.

Over https both carry the `__Host-` prefix, so no other host, path or plain connection can set
them (RFC 6265bis section 4.1.3). The echo is `Lax`: it comes along when a visitor follows a link.
The clearance is `None` over https, so that it also comes with a form that another site sends, as
payments and sign-ins do; the filter looks at it for no other request of another site's pages. Over
plain http browsers know `Lax` only.
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
        site = "None" if self.secure else "Lax"
        return self._set(self.clearance, token, lifetime_s, site)

    def set_echo(self, text: str) -> str:
        """`Set-Cookie` for the echo."""
        return self._set(self.echo, text, CHALLENGE_ECHO_LIFETIME_S, "Lax")

    def _name(self, plain: str) -> str:
        return f"__Host-{plain}" if self.secure else plain

    def _set(self, name: str, value: str, lifetime_s: int, site: str) -> str:
        secure = "; Secure" if self.secure else ""
        return f"{name}={value}; Path=/; Max-Age={lifetime_s}; HttpOnly; SameSite={site}{secure}"


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
