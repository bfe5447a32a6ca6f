"""Which control processes do not answer a node, and why, in words that change seldom. Pure.

A node that is cut off serves on, and nobody but its own log can say what cut it off: a wall, an
address of yesterday, another authority, or its own clock.
"""

import ssl
from typing import Final

from seawall.phrases import minute

_CLOCKS: Final = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""


class Away:
    """Why each address did not answer when it was last asked."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}
        self._tls: dict[str, bool] = {}

    def failed(self, where: object, error: Exception, now_s: float) -> str:
        """What to tell now; of an address the first reason stands until it answers again.

        What TLS says stands before others: it is the cause of those that come after it.
        """
        address = str(where)
        if address not in self._why or (isinstance(error, ssl.SSLError) and not self._tls[address]):
            self._why[address] = _reason(error, now_s)
            self._tls[address] = isinstance(error, ssl.SSLError)
        return self._text()

    def answered(self, where: object) -> str:
        """What is left to tell; empty when nothing is."""
        self._why.pop(str(where), None)
        return self._text()

    def _text(self) -> str:
        return "; ".join(f"{where} does not answer: {why}" for where, why in self._why.items())


def _reason(error: Exception, now_s: float) -> str:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _CLOCKS:
        clock = f"this machine's clock says {minute(now_s)}; set it if that is wrong"
        return f"{error.verify_message} ({clock})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
