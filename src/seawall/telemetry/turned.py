"""What is counted while rules are tried on requests, and what a count comes to. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from seawall import limits
from seawall.model import BotDo
from seawall.telemetry.records import AccessRecord, shown
from seawall.telemetry.rehearsal import DENY, NodeTurns, RuleTurns, is_enough

TURNS_AWAY: Final = frozenset({BotDo.BLOCK, BotDo.PAYMENT, BotDo.CHALLENGE, BotDo.RATE})
_TIME_CHARS_MAX: Final = 30


@dataclass
class _Rule:
    requests: int = 0
    new_requests: int = 0
    clients: set[str] = field(default_factory=set)
    new_clients: set[str] = field(default_factory=set)
    example: str = ""


@dataclass
class Count:
    """What is added up for one site; bounded by what is read."""

    requests: int = 0
    unsure: int = 0
    freed: int = 0
    since: str = ""
    clients: set[str] = field(default_factory=set)
    rules: dict[tuple[str, str], _Rule] = field(default_factory=dict)

    def add(self, record: AccessRecord, client: str, turn: "Turn") -> None:
        """A request of which it is sure what becomes of it."""
        self.requests += 1
        self.clients.add(client)
        time = record.time[:_TIME_CHARS_MAX]
        self.since = min(self.since or time, time)
        if not turn.do:
            self.freed += turn.was_away
            return
        rule = self.rules.setdefault((turn.rule, turn.do), _Rule())
        rule.requests += 1
        rule.clients.add(client)
        if turn.was_away:
            rule.example = rule.example or shown(record.request_id)
            return
        if not rule.new_requests:
            rule.example = shown(record.request_id)
        rule.new_requests += 1
        rule.new_clients.add(client)

    @property
    def new_requests(self) -> int:
        """Turned away, and let in before."""
        return sum(rule.new_requests for rule in self.rules.values())

    def new_clients(self, *does: str) -> set[str]:
        """Clients that are newly turned away by what does one of `does`."""
        found = (rule.new_clients for (_, do), rule in self.rules.items() if do in does)
        return set().union(*found)


@dataclass(frozen=True, slots=True)
class Turn:
    """What becomes of a request, and became of it before.

    Attributes:
        rule: that turns it away, or the name of an address list; empty when it is let in.
        do: what that does with it; empty likewise.
    """

    was_away: bool
    rule: str = ""
    do: str = ""


def node_turns(node: str, count: Count, *, enforced: bool) -> NodeTurns:
    """What is told of one node of a fleet."""
    found = weighed(count, enforced=enforced, all_of_it=False)
    most = sorted(rules_counted(count), key=lambda rule: -rule.new_clients)
    return NodeTurns(
        node=node,
        requests=count.requests,
        clients=len(count.clients),
        new_requests=count.new_requests,
        new_clients=found.new_clients,
        share=found.share,
        over=found.over,
        since=count.since,
        rules=tuple(most[: limits.REHEARSAL_RULES_MAX]),
    )


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a count comes to: whether it is enough to tell a share, the share, and the bound."""

    enough: bool
    new_clients: int
    share: float | None
    over: bool


def weighed(count: Count, *, enforced: bool, all_of_it: bool = True) -> Weighed:
    """The share of clients that are newly turned away; over the bound only by what is enforced.

    Of few clients no share can be told, but one: when rules turn nearly all of them away. Address
    lists are left out there, since those who attack a quiet site may well be most of its clients.

    Args:
        count: what was added up.
        enforced: rules are carried out.
        all_of_it: it is all that is known of the site, and not what one node of several has seen.
    """
    clients = len(count.clients)
    enough = is_enough(count.requests, clients)
    new_clients = len(count.new_clients(DENY, *TURNS_AWAY))
    really = len(count.new_clients(DENY, *(TURNS_AWAY if enforced else ())))
    over = enough and really > limits.REHEARSAL_TURNED_SHARE_MAX * clients
    if all_of_it and not enough and enforced and clients >= limits.REHEARSAL_FEW_CLIENTS_MIN:
        by_rules = len(count.new_clients(*TURNS_AWAY))
        enough = over = by_rules > limits.REHEARSAL_FEW_TURNED_SHARE_MAX * clients
    return Weighed(enough, new_clients, new_clients / clients if enough else None, over)


def rules_counted(count: Count) -> Iterator[RuleTurns]:
    """What is told of each rule and list."""
    for (rule, do), found in count.rules.items():
        yield RuleTurns(
            rule=rule,
            do=do,
            requests=found.requests,
            clients=len(found.clients),
            new_requests=found.new_requests,
            new_clients=len(found.new_clients),
            example=found.example,
        )
