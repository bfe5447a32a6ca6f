"""The story of one request in plain words: who asked what, what was decided, what came of it.

Pure: an access record and what is known of the release in, sentences out. The words of Envoy's
flags and details are in `flags`. A record is untrusted text, so every value is shortened and shown
without control characters; nothing is left out silently.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from seawall.telemetry.bot_facts import RuleFact
from seawall.telemetry.bot_story import (
    ANSWERED_HERE,
    KnownBots,
    bot_facts,
    bot_remedy,
    bot_sentences,
)
from seawall.telemetry.flags import (
    BROKEN_OFF,
    CERTIFICATE_REFUSED,
    CUT_OFF,
    DETAILS,
    EXHAUSTED,
    FLAGS,
    NOBODY_LISTENS,
    NOT_HERE,
    SWITCHED,
    UNTRUSTED,
    UPGRADED,
    Meaning,
    denied,
    ended_unsent,
)
from seawall.telemetry.records import AccessRecord, shown

_NO_FLAG: Final = frozenset({"", "-"})
"""How Envoy writes that it flagged nothing."""
_THIS_MACHINE: Final = "127."
"""IPv4 addresses of the loopback interface begin so."""
_MEND_NAME: Final = (
    "If the origin has moved, fix its DNS record or change the origin. `seawall status` lists "
    "all names that DNS does not answer."
)
_SHOWN_AS_SECONDS_MS: Final = 10_000
_INTERNAL_ROUTES: Final = {
    "_https": "it sends plain HTTP to HTTPS",
    "_misdirected": "it refuses a request that came on a connection for another certificate, so "
    "that the client retries on a new connection",
    "_trace": "it refuses TRACE, which would reveal the headers that the edge adds, and methods "
    "that are not written in capital letters",
    "_dots": "it refuses a path with `..;`, which servers interpret differently",
    "_one_host": "it refuses a Host that is not one host name, as when the header came twice",
    "_any": "it answers requests for hosts that no site has",
    "_bots": "it hands the request to the bot service of the node",
    "_probe": "it receives what the page probe found in a browser",
    "_probe.js": "it sends the script of the page probe",
    "_robots": "it serves the robots.txt that follows from the site's bot policy",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the record.

    Attributes:
        serving: the release that serves now; empty when unknown.
        endpoints: the addresses of the record's origin now, for people.
        bots: the bot model and the policy that the record names.
        remembered: by address, the name of an origin that leads there from memory now, because
            DNS does not answer it with addresses, and since when; a clause for people.
    """

    serving: str = ""
    endpoints: tuple[str, ...] = ()
    bots: KnownBots = field(default_factory=KnownBots)
    remembered: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Story:
    """A request told.

    Attributes:
        title: one line.
        sentences: what happened, in order.
        remedy: what to do about it; empty when nothing is.
        facts: what the rules for bots that held asked for.
    """

    title: str
    sentences: tuple[str, ...]
    remedy: str
    facts: tuple[RuleFact, ...] = ()


def story(record: AccessRecord, known: Known | None = None) -> Story:
    """Tell `record`."""
    known = known or Known()
    meanings = tuple(_meanings(record))
    remedies = [m.remedy for m in meanings if m.remedy] or [bot_remedy(record)]
    sentences = (
        *_asked(record),
        *_decided(record, known),
        *bot_sentences(record, known.bots),
        *_went(record, known),
        *_ended(record, meanings),
    )
    remedy = remedies[0] or _own_remedy(record)
    if _remembered(record, known) and record.failed:
        remedy = f"{_MEND_NAME} {remedy}".strip()
    return Story(_title(record), sentences, remedy, bot_facts(record, known.bots))


def _title(record: AccessRecord) -> str:
    answer = f"answered {_status(record)}" if record.status else "not answered"
    took = f" in {_duration(record.duration_ms)}" if record.duration_ms is not None else ""
    return f"{shown(record.method) or 'Request'} {_target(record)} {answer}{took}"


def _status(record: AccessRecord) -> str:
    """As HTTP has it, and what a gRPC call came to, which HTTP calls 200 whatever it was."""
    grpc = shown(record.grpc_status)
    return f"{record.status} (gRPC {grpc})" if grpc else str(record.status)


def _asked(record: AccessRecord) -> Iterator[str]:
    who = shown(record.client) or "An unknown client"
    via = f" through {shown(record.peer)}" if record.peer not in ("", record.client) else ""
    how = ", ".join(filter(None, (shown(record.protocol), shown(record.tls))))
    yield f"{who}{via} asked for {_target(record)} at {shown(record.time)}{_in(how)}."
    if record.user_agent:
        yield f"It called itself {shown(record.user_agent)}."
    if record.id_is_claimed:
        yield (
            "The client chose this request id itself: the request was refused before the edge "
            "assigned one."
        )
    if record.bytes_in:
        yield f"It sent a body of {record.bytes_in} bytes."


def _decided(record: AccessRecord, known: Known) -> Iterator[str]:
    release = shown(record.release)
    if release:
        since = f" ({known.serving} serves now)" if known.serving not in ("", release) else ""
        yield f"Release {release} served{since}."
    _, _, name = record.route.partition("/")
    if not record.route:
        yield "No route was chosen: the request was refused earlier, or no route matched."
    elif name in _INTERNAL_ROUTES:
        yield f"Seawall's own route {shown(record.route)} took it: {_INTERNAL_ROUTES[name]}."
    else:
        yield f"Route {shown(record.route)} took it."


def _went(record: AccessRecord, known: Known) -> Iterator[str]:
    if not record.origin:
        yield "It was not sent to any origin."
        return
    if record.details == ANSWERED_HERE or denied(record.details) or ended_unsent(record):
        yield f"It was not sent to its origin {shown(record.origin)}."
        return
    at = f" at {shown(record.endpoint)}" if record.endpoint else ""
    if not at and known.endpoints:
        at = f" (endpoints now: {', '.join(known.endpoints)})"
    yield f"It was meant for origin {shown(record.origin)}{at}."
    if clause := _remembered(record, known):
        yield f"That address comes from memory, not from DNS: {clause}."
    if record.attempts is not None and record.attempts > 1:
        yield f"It was tried {record.attempts} times; what follows is about the last attempt."
    if record.origin_ms is not None:
        yield f"The origin's response began after {_duration(record.origin_ms)}."


def _remembered(record: AccessRecord, known: Known) -> str:
    """Why the endpoint is one that DNS does not give any more; empty when it does."""
    return known.remembered.get(record.endpoint.rpartition(":")[0].strip("[]"), "")


def _ended(record: AccessRecord, meanings: tuple[Meaning, ...]) -> Iterator[str]:
    yield from (meaning.words for meaning in meanings)
    _, brace, reason = record.details.partition("{")
    if brace:
        yield f"Envoy's reason: {shown(reason.rstrip('}')).replace('_', ' ')}."
    elif record.details and not _detail(record):
        yield f"Envoy's reason: {shown(record.details)}."
    if record.status:
        size = f" with a body of {record.bytes_out} bytes" if record.bytes_out is not None else ""
        took = f", {_duration(record.duration_ms)} in all" if record.duration_ms is not None else ""
        yield f"The client got status {_status(record)}{size}{took}."
    else:
        yield "The client got no response: it had left, or the connection was closed."


def _meanings(record: AccessRecord) -> Iterator[Meaning]:
    seen: set[str] = set()
    flags = [flag.strip() for flag in record.flags.split(",") if flag.strip() not in _NO_FLAG]
    flags.sort(key=EXHAUSTED.__eq__)  # last, since the cause is another one
    if CERTIFICATE_REFUSED in record.details:
        yield UNTRUSTED
    if NOBODY_LISTENS in record.details and record.endpoint.startswith(_THIS_MACHINE):
        yield NOT_HERE
    begun = record.details.startswith("upstream_reset_after_response_started")
    known = {**FLAGS, **UPGRADED} if record.status == SWITCHED else FLAGS
    candidates = [BROKEN_OFF if begun and flag == "UPE" else known.get(flag) for flag in flags]
    ended = record.status == SWITCHED and any(flag in UPGRADED for flag in flags)
    unknown = [flag for flag in flags if flag not in FLAGS]
    late = CUT_OFF if record.origin_ms is not None else FLAGS["UT"]
    for found in (*candidates, None if ended else _detail(record)):
        meaning = late if found is FLAGS["UT"] else found
        if meaning is not None and meaning.words not in seen:
            seen.add(meaning.words)
            yield meaning
    for flag in unknown:
        yield Meaning(
            f"Envoy set the response flag {shown(flag)}, which this version of Seawall "
            "does not know."
        )


def _detail(record: AccessRecord) -> Meaning | None:
    if refused := denied(record.details):
        return refused
    return DETAILS.get(record.details.partition("{")[0].partition("_(")[0].rstrip("_"))


def _own_remedy(record: AccessRecord) -> str:
    if record.origin and record.details == "via_upstream" and record.failed:
        return "The origin itself answered with an error: look at its log."
    if record.route == "_unknown_host/_any":
        return "If this host is yours, add it to the hosts of a site."
    return ""


def _target(record: AccessRecord) -> str:
    return f"{shown(record.host)}{shown(record.path)}" or "an unknown target"


def _in(how: str) -> str:
    return f" over {how}" if how else ""


def _duration(milliseconds: int) -> str:
    return (
        f"{milliseconds} ms"
        if milliseconds < _SHOWN_AS_SECONDS_MS
        else f"{milliseconds / 1000:.1f} s"
    )
