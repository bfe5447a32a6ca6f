"""What the nodes of a fleet are asked about one request, and what each of them said. Pure.

The first record that comes is the one that is told; whoever claims the same id besides is named.
What a node did not search is never counted as searched: each node has a standing of its own, and
"not found" is said of those alone that looked at everything they have.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from seawall import limits
from seawall.api.asking import Round, Standing
from seawall.errors import NotFoundError, SeawallError, UnreachableError
from seawall.ids import NodeName, RequestId
from seawall.telemetry.records import MISSING_WORDS, AccessRecord

_HEADS: Final = (
    (Standing.NOTHING, "Searched"),
    (Standing.IN_PART, "Searched only part of their records"),
    (Standing.ASKED, "Did not answer in time"),
    (Standing.SILENT, "Not connected here"),
    (Standing.OLD, "Of an older version that cannot answer this question"),
    (Standing.GARBLED, "Sent an unusable answer"),
)
_OPEN: Final = (
    Standing.IN_PART,
    Standing.ASKED,
    Standing.SILENT,
    Standing.OLD,
    Standing.GARBLED,
)
"""Of a node in one of these it is not known whether it has the record."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a node answered, as far as it makes sense.

    Attributes:
        record: of the request; None when it found none.
        whole: whether it looked at all its records.
        since: time of its oldest record that was looked at; empty without any.
        garbled: why the answer is not believed; empty when it is.
    """

    record: AccessRecord | None = None
    whole: bool = True
    since: str = ""
    garbled: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a question.

    Attributes:
        record: that came first; None when none came.
        node: that has it.
        also: others that claim the same id.
        standings: of every node that was to be asked.
        since: of nodes that searched, the time of their oldest record looked at.
    """

    request_id: RequestId
    record: AccessRecord | None = None
    node: str = ""
    also: tuple[NodeName, ...] = ()
    standings: Mapping[NodeName, Standing] = field(default_factory=dict)
    since: Mapping[NodeName, str] = field(default_factory=dict)


class Inquiry(Round):
    """One question to the nodes about a request.

    Args:
        request_id: of the request that is looked for.
        standings: of every node to ask, at the beginning; those `ASKED` are waited for.
        began_s: monotonic seconds, as everywhere here.
    """

    def __init__(
        self, request_id: RequestId, standings: Mapping[NodeName, Standing], began_s: float
    ) -> None:
        super().__init__(standings, began_s + limits.RECORD_QUESTION_WAIT_S)
        self.request_id = request_id
        self._since: dict[NodeName, str] = {}
        self._claims: list[NodeName] = []
        self._record: AccessRecord | None = None
        self._ended = False

    def take(self, node: NodeName, said: Said, now_s: float) -> str:
        """Note what a node answered; what people should know of it, in words.

        A second record never replaces the first.
        """
        if said.garbled:
            return self.doubt(node, said.garbled)
        self._since[node] = said.since
        if said.record is None:
            self._standings[node] = Standing.NOTHING if said.whole else Standing.IN_PART
            return ""
        self._standings[node] = Standing.FOUND
        self._claims.append(node)
        if len(self._claims) > 1:
            return f"{node} claims to have request {self.request_id}, as does {self._claims[0]}"
        if self._ended:
            return f"{node} has request {self.request_id}, but answered too late"
        self._record = said.record
        self._end_s = min(self._end_s, now_s + limits.RECORD_CLAIMS_WAIT_S)
        return ""

    def end(self) -> Finding:
        """What is known now; nobody waits any more, and no record is kept."""
        self._ended, record, self._record = True, self._record, None
        return Finding(
            request_id=self.request_id,
            record=record,
            node=self._claims[0] if self._claims else "",
            also=tuple(self._claims[1 : limits.RECORD_NODES_NAMED_MAX + 1]),
            standings=dict(self._standings),
            since=dict(self._since),
        )


def outcome(finding: Finding) -> str:
    """For the log: one line."""
    counts = [
        f"{sum(found is standing for found in finding.standings.values())} {standing.value}"
        for standing in Standing
        if standing in finding.standings.values()
    ]
    return f"request {finding.request_id}: {', '.join(counts) or 'no nodes'}"


def sentences(finding: Finding) -> Iterator[str]:
    """Where the record comes from, for the story."""
    yield f"The record is from node {finding.node}."
    for node in finding.also:
        yield (
            f"Node {node} claims to have a record of this request too. One of the two is wrong "
            f"or has copied records. To see that record: seawall why {finding.request_id} --node "
            f"{node}."
        )


def refusal(finding: Finding, leader: str | None) -> SeawallError:
    """Why there is no story, and what to do.

    Args:
        finding: without a record.
        leader: HOST:PORT of the control process that leads, empty when nobody does; None when this
            one does.
    """
    if not finding.standings:
        return NotFoundError(
            "request-not-found",
            f"No record of request {finding.request_id} is on this machine, and the fleet has no "
            "nodes to ask.",
            remedy="To add a machine: seawall token join.",
        )
    told = " ".join(_parts(finding))
    found_none = f"No record of request {finding.request_id} was found. {told}"
    unknown = [n for n, standing in finding.standings.items() if standing in _OPEN]
    if not unknown:
        return NotFoundError("request-not-found", found_none, remedy=MISSING_WORDS)
    has = "has" if len(unknown) == 1 else "have"
    remedy = (
        f"It is unknown whether {_names(unknown)} {has} it. Try again, or run on the machine "
        f"itself: seawall why {finding.request_id} --data-dir DIR. {MISSING_WORDS}"
    )
    if leader is not None:
        where = f"at {leader}" if leader else "when there is one"
        remedy = (
            f"Ask the leading control process, {where}: it is in contact with every node. {remedy}"
        )
    return UnreachableError("request-not-known", found_none, remedy=remedy)


def _parts(finding: Finding) -> Iterator[str]:
    for standing, head in _HEADS:
        names = [name for name, found in finding.standings.items() if found is standing]
        if names:
            yield f"{head}: {_names(names, finding.since)}."


def _names(names: list[NodeName], since: Mapping[NodeName, str] | None = None) -> str:
    shown = [
        name if since is None or name not in since else f"{name} ({_reach(since[name])})"
        for name in names[: limits.RECORD_NODES_NAMED_MAX]
    ]
    hidden = len(names) - len(shown)
    return ", ".join(shown) + (f" and {hidden} more" if hidden else "")


def _reach(since: str) -> str:
    return f"records since {since}" if since else "no records"
