"""The texts that travel through a browser while a challenge is open: challenge, style proof, echo.

All are signed with a clearance key under a first word of their own, so that none can stand for
another, and all are bound to the client (`Bound`). Nothing about an open challenge is stored.

    c1.kid.issued.wanted.body.reference.nonce.path.mac     the challenge
    e1.kid.issued.passes.last.mac                            the echo, a cookie
"""

import base64
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from seawall.challenge.binding import Bound, b64, mac, same
from seawall.errors import UsageError
from seawall.limits import (
    CHALLENGE_PATH_LENGTH_CHARS_MAX,
    CHALLENGE_REFERENCE_LENGTH_CHARS_MAX,
    CHALLENGE_TEXT_LENGTH_CHARS_MAX,
    CLEARANCE_CLOCK_SKEW_S,
)
from seawall.model.clearance import ClearanceKeys

_NUMBER: Final = r"(0|[1-9][0-9]{0,10})"
_CHALLENGE: Final = re.compile(
    rf"c1\.([a-z0-9]{{1,8}})\.{_NUMBER}\.([1-3])\.([gpl])\.([A-Za-z0-9-]{{1,64}})"
    r"\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{1,2800})\.([A-Za-z0-9_-]{22})",
    re.ASCII,
)
_ECHO: Final = re.compile(
    rf"e1\.([a-z0-9]{{1,8}})\.{_NUMBER}\.([0-9]{{1,3}})\.{_NUMBER}\.([A-Za-z0-9_-]{{22}})", re.ASCII
)
_PASSES_MAX: Final = 999
_VISIBLE: Final = "".join(chr(code) for code in range(0x21, 0x7F))
_REFERENCE: Final = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What was asked of a visitor.

    Attributes:
        issued_s: whole seconds since 1970.
        wanted: the level to reach, 1 to 3.
        resend: the page keeps a form that is posted after the challenge.
        lost: there was a body that the page could not keep.
        reference: request id that a person can name.
        path: path and query to bring the visitor back to; begins with one slash.
    """

    issued_s: int
    wanted: int
    resend: bool
    lost: bool
    reference: str
    nonce: str
    path: str

    def age_s(self, now_s: float) -> float:
        """Seconds since it was issued."""
        return now_s - self.issued_s


@dataclass(frozen=True, slots=True)
class Echo:
    """What the echo cookie says: that cookies work, and how often the visitor has passed."""

    issued_s: int
    passes: int = 0
    last_pass_s: int = 0


def words_of(bound: Bound) -> bytes:
    """The bound's part of a MAC.

    Raises:
        UsageError: the request came without host, network or fingerprint.
    """
    words = bound.text()
    if words is None:
        raise UsageError(
            "challenge-binding", "A challenge needs the host, the network and the fingerprint."
        )
    return words


def write_challenge(challenge: Challenge, keys: ClearanceKeys, bound: Bound) -> str:
    """The challenge as signed text.

    Raises:
        UsageError: `bound` cannot be signed for.
    """
    path = b64(challenge.path.encode("ascii"))
    body = (
        f"c1.{keys.current.kid}.{challenge.issued_s}.{challenge.wanted}"
        f".{_letter_of(challenge)}.{challenge.reference}.{challenge.nonce}.{path}"
    )
    return f"{body}.{mac(keys.current, b'challenge ', body.encode('ascii'), words_of(bound))}"


def _letter_of(challenge: Challenge) -> str:
    """What becomes of the body: `p`osted again, `l`ost, or `g` for a page that is got."""
    if challenge.lost:
        return "l"
    return "p" if challenge.resend else "g"


def read_challenge(
    text: str, keys: ClearanceKeys, bound: Bound, *, now_s: float
) -> Challenge | None:
    """The challenge, when this service signed it for this client; its age is the caller's to judge.

    One from the future is none: it would live too long.
    """
    found = None if len(text) > CHALLENGE_TEXT_LENGTH_CHARS_MAX else _CHALLENGE.fullmatch(text)
    words = bound.text()
    if found is None or words is None:
        return None
    kid, issued, wanted, method, reference, nonce, path, its_mac = found.groups()
    key = keys.find(kid)
    signed = text[: found.start(8) - 1].encode("ascii")
    if key is None or not same(mac(key, b"challenge ", signed, words), its_mac):
        return None
    if not int(issued) <= now_s + CLEARANCE_CLOCK_SKEW_S:
        return None
    return Challenge(
        issued_s=int(issued),
        wanted=int(wanted),
        resend=method == "p",
        lost=method == "l",
        reference=reference,
        nonce=nonce,
        path=base64.urlsafe_b64decode(path + "=" * (-len(path) % 4)).decode("ascii"),
    )


def style_proof(nonce: str, keys: ClearanceKeys) -> str:
    """What the style sheet of a page says to whoever applies it."""
    return mac(keys.current, b"style ", nonce.encode("ascii", "replace"))


def is_style_proof(text: str, nonce: str, keys: ClearanceKeys) -> bool:
    """Whether a script read the style sheet that belongs to `nonce`."""
    right = [same(mac(key, b"style ", nonce.encode("ascii")), text) for key in keys]
    return any(right)


def write_echo(echo: Echo, keys: ClearanceKeys, bound: Bound) -> str:
    """The echo cookie's value."""
    body = (
        f"e1.{keys.current.kid}.{echo.issued_s}.{min(echo.passes, _PASSES_MAX)}.{echo.last_pass_s}"
    )
    return f"{body}.{mac(keys.current, b'echo ', body.encode('ascii'), words_of(bound))}"


def read_echo(text: str, keys: ClearanceKeys, bound: Bound) -> Echo | None:
    """The echo, when this service gave it to this client."""
    found = _ECHO.fullmatch(text)
    words = bound.text()
    if found is None or words is None:
        return None
    kid, issued, passes, last, its_mac = found.groups()
    key = keys.find(kid)
    signed = text[: found.start(5) - 1].encode("ascii")
    if key is None or not same(mac(key, b"echo ", signed, words), its_mac):
        return None
    return Echo(issued_s=int(issued), passes=int(passes), last_pass_s=int(last))


def safe_path(asked: str) -> str:
    """The path to return to: on this site, visible ASCII, and short enough to be carried.

    A path such as `//host` would name another site where a URL is expected; `Location` and links
    get it through `reference_of`.
    """
    path = asked.split("#", 1)[0]
    if not path.startswith("/") or any(char <= " " or char == "\x7f" for char in path):
        return "/"
    path = quote(path.encode("utf-8", "surrogatepass"), safe=_VISIBLE)
    for short in (path, path.split("?", 1)[0]):
        if len(short) <= CHALLENGE_PATH_LENGTH_CHARS_MAX:
            return short
    return "/"


def reference_of(path: str) -> str:
    """A relative URL that leads to `path` on this site and nowhere else (WHATWG URL, 4.4)."""
    if path[1:2] in {"/", "\\"}:
        return "/." + path
    return path


def safe_reference(request_id: str, otherwise: str) -> str:
    """The request id as a person may read it out; `otherwise` when it is not one."""
    if len(request_id) <= CHALLENGE_REFERENCE_LENGTH_CHARS_MAX and _REFERENCE.fullmatch(request_id):
        return request_id
    return otherwise.replace("_", "-")
