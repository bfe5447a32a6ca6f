"""What is odd about a request by itself: its handshake against its user agent, and its headers.

Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from seawall.bots.families import ClientFamily
from seawall.telemetry.bot_words import GAP_NONE, begun, clause, listed
from seawall.telemetry.bots import BotVerdict
from seawall.telemetry.records import AccessRecord

_ORDER_OF: Final[Mapping[int, int]] = {
    ClientFamily.CHROMIUM: 1,
    ClientFamily.FIREFOX: 2,
    ClientFamily.SAFARI: 3,
}
"""The code of `pseudo-order` that is a browser's own."""
_CONTRADICTION: Final = 1
_TLS_UNKNOWN: Final = 1
_STANDS_OUT: Final = (
    ("page-probe", frozenset({1, 2, 3})),
    ("agent-headless", frozenset({2})),
    ("hints-brand", frozenset({1, 4, 5})),
    ("hints-platform", frozenset({_CONTRADICTION})),
    ("hints-mobile", frozenset({_CONTRADICTION})),
    ("fetch-coherence", frozenset({_CONTRADICTION})),
    ("path-kind", frozenset({10})),
)
_ODD_FOR_BROWSERS: Final = (
    ("order-agent-accept", 2),
    ("order-accept-encoding", 2),
    ("accept-language", 0),
    ("accept-encoding", 0),
)
"""No current browser writes a request so."""


def signal_sentences(verdict: BotVerdict, record: AccessRecord) -> Iterator[str]:
    """What is worth knowing of handshake and headers, whatever the model made of it."""
    claims, shakes = verdict.code("agent-family"), verdict.code("tls-family")
    claim = clause("agent-family", claims)
    if not verdict.code("tls-version"):
        yield f"{begun(claim)}; {_without_handshake(record)}."
    elif verdict.code("family-agreement") == _CONTRADICTION:
        shown = clause("tls-family", shakes) if shakes else "its handshake is of another client"
        yield f"{begun(claim)}, but {shown}: they contradict each other."
    elif verdict.code("tls-known") == _TLS_UNKNOWN:
        yield f"{begun(claim)}; its handshake is not in the table of known clients."
    else:
        yield f"{begun(claim)}, and {clause('tls-family', shakes)}."
    told = [clause(name, verdict.code(name)) for name in _odd(verdict)]
    if told:
        yield f"{begun(listed(told))}."


def _odd(verdict: BotVerdict) -> Iterator[str]:
    """Features whose code stands out by itself."""
    if verdict.code("generation-gap") not in (0, GAP_NONE):
        yield "generation-gap"
    yield from (name for name, codes in _STANDS_OUT if verdict.code(name) in codes)
    own = _ORDER_OF.get(verdict.code("agent-family"))
    if own is None:
        return
    if verdict.code("pseudo-order") not in (0, own):
        yield "pseudo-order"
    yield from (name for name, code in _ODD_FOR_BROWSERS if verdict.code(name) == code)
    if verdict.code("tls-version") and not verdict.code("fetch-coherence"):
        yield "fetch-coherence"


def _without_handshake(record: AccessRecord) -> str:
    """A trusted proxy shows a handshake too, which says nothing of its client."""
    if record.ja4 or record.peer not in ("", record.client):
        return "it came through a proxy, and its own handshake is not known"
    return "its handshake could not be read" if record.tls else "it came without TLS"
