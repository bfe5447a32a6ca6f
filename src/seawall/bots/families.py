"""Families of clients: one list of codes for what a handshake shows and what a user agent says.

The two are compared, so they speak of the same things. A handshake often tells less than a user
agent: git, newsboat and lynx all shake hands as GnuTLS does. `SHARES_HANDSHAKE` holds which
handshakes are usual for what a user agent claims; anything else is a contradiction.

Codes are part of stored records and trained models: they are never changed or used again, and new
ones are added at the end. 0 is *absent* and no member.
"""

from enum import IntEnum
from typing import Final


class ClientFamily(IntEnum):
    """A family of clients; the code of a feature, 1 to 60."""

    CHROMIUM = 1
    """Chrome, Edge, Opera, Brave, Samsung Internet, WebView: everything with that engine."""
    FIREFOX = 2
    SAFARI = 3
    """Every browser of iOS too: they all use Apple's TLS, whatever they call themselves."""
    CURL = 4
    WGET = 5
    PYTHON = 6
    GO = 7
    JAVA = 8
    NODE = 9
    OPENSSL_TOOL = 10
    """A handshake of OpenSSL's defaults: any program that uses it."""
    GNUTLS_TOOL = 11
    """A handshake of GnuTLS's defaults: any program that uses it."""
    GIT = 12
    PACKAGE_MANAGER = 13
    FEED_READER = 14
    TEXT_BROWSER = 15
    CRAWLER = 16
    """Says that it is a crawler; whether it is the one it names is not this module's question."""
    HEADLESS = 17
    """A browser that says itself that nobody looks at it."""
    MONITOR = 18
    """Uptime checks and page testers."""
    LIBRARY = 19
    """Another HTTP library or tool that names itself."""
    OTHER = 20
    """A user agent that no rule knows."""
    EMPTY = 21
    """A user agent that is sent without a text, or not sent."""
    OTHER_BROWSER = 22
    """An engine of its own that is none of the three: old Internet Explorer, Opera 12, and such."""
    PREVIEW = 23
    """Fetches a page that a person has just shared, to show a card for it."""
    SCANNER = 24
    """Looks for holes in sites and says so."""
    AI_CRAWLER = 25
    """Says that it collects for, or fetches on behalf of, a language model."""
    PHP = 26
    RUBY = 27
    DOTNET = 28
    PERL = 29
    RUST = 30
    MOBILE_APP = 31
    """An app that uses its platform's own HTTP library (CFNetwork, Dalvik, okhttp), or that mounts
    and synchronises what is on a server: WebDAV, calendars."""
    MEDIA_PLAYER = 32


_OPENSSL: Final = frozenset({ClientFamily.OPENSSL_TOOL})
_LIBCURL: Final = frozenset(
    {ClientFamily.CURL, ClientFamily.OPENSSL_TOOL, ClientFamily.GNUTLS_TOOL}
)

SHARES_HANDSHAKE: Final[dict[ClientFamily, frozenset[ClientFamily]]] = {
    ClientFamily.CHROMIUM: frozenset({ClientFamily.CHROMIUM}),
    ClientFamily.HEADLESS: frozenset(
        {ClientFamily.CHROMIUM, ClientFamily.FIREFOX, ClientFamily.SAFARI}
    ),
    ClientFamily.FIREFOX: frozenset({ClientFamily.FIREFOX}),
    ClientFamily.SAFARI: frozenset({ClientFamily.SAFARI}),
    ClientFamily.CURL: _LIBCURL,
    ClientFamily.GIT: _LIBCURL | {ClientFamily.GIT},
    ClientFamily.WGET: frozenset({ClientFamily.WGET, ClientFamily.GNUTLS_TOOL}) | _OPENSSL,
    ClientFamily.TEXT_BROWSER: frozenset({ClientFamily.TEXT_BROWSER, ClientFamily.GNUTLS_TOOL})
    | _OPENSSL,
    ClientFamily.PYTHON: frozenset({ClientFamily.PYTHON, ClientFamily.CURL}) | _OPENSSL,
    ClientFamily.GO: frozenset({ClientFamily.GO}),
    ClientFamily.JAVA: frozenset({ClientFamily.JAVA}),
    ClientFamily.NODE: frozenset({ClientFamily.NODE}),
}
"""For a family that a user agent claims, the handshakes that go with it.

A family that is not here may come with any handshake. A handshake of the table that is not in the
set contradicts the claim; one that the table does not know says nothing.
"""
