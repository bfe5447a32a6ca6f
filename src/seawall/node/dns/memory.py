"""What is answered to a question about a name, given what the resolvers said and what was before.

Pure: times and outcomes are passed in. The rules (decision 0032):

* Addresses are passed on as they came, and remembered.
* No such name, no address, no answer: the last addresses are given, until they are too old. But
  when the other family of the same name has addresses now, the emptiness is true: a host that lost
  its IPv6 address lost it on purpose.
* Without memory what the resolvers said is passed on. No address is ever invented.

That a resolver failed is told to Envoy as a format error: c-ares passes that on as a failure, which
leaves an origin the addresses it has. A server failure would make it turn to the next resolver, for
every other name too.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from seawall.limits import (
    DNS_ASKED_S,
    DNS_FRESH_S_MAX,
    DNS_MEMORY_SIZE_BYTES_MAX,
    DNS_NAMES_MAX,
    DNS_RECHECK_S,
    DNS_RECORDS_SIZE_BYTES_MAX,
    DNS_SLOW_TTL_S,
    DNS_STALE_S,
    DNS_STALE_TTL_S,
    DNS_TTL_S_MAX,
)
from seawall.node.dns.wire import Question, Records


class Kind(StrEnum):
    """What the resolvers say of a name, in the words of a notice."""

    FOUND = "addresses"
    NO_RECORD = "no address"
    NO_NAME = "no such name"
    FAILED = "no answer"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking the resolvers; `records` when there are addresses."""

    kind: Kind
    records: Records | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What Envoy is answered.

    Attributes:
        records: when `kind` is `FOUND`.
        age_s: how long ago they came.
        ttl_s: given as every TTL, because they are from memory; None for their own.
    """

    kind: Kind
    records: Records | None = None
    age_s: int = 0
    ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A remembered answer as it goes to disk; `got_s` is wall-clock time."""

    question: Question
    records: Records
    got_s: float


@dataclass(frozen=True, slots=True)
class Stale:
    """A name that is answered from memory only.

    Attributes:
        why: what the resolvers say.
        for_s: since when.
        left_s: until its memory ends.
    """

    question: Question
    why: Kind
    addresses: tuple[str, ...]
    for_s: float
    left_s: float


@dataclass(slots=True)
class _Entry:
    """One question; times are monotonic seconds."""

    asked_s: float
    records: Records | None = None
    got_s: float = 0.0
    trouble: Kind | None = None
    since_s: float = 0.0
    tried_s: float = 0.0

    @property
    def fresh_until_s(self) -> float:
        ttl_s = self.records.ttl_s if self.records else 0
        return self.got_s + min(ttl_s, DNS_FRESH_S_MAX)

    @property
    def ends_s(self) -> float:
        ttl_s = self.records.ttl_s if self.records else 0
        return self.got_s + min(ttl_s, DNS_TTL_S_MAX) + DNS_STALE_S


class Memory:
    """The last addresses of each name. Bounded; what nobody asks for any more is forgotten first.

    Anybody on this machine may ask for any number of names. So while all that is known is in use,
    what was learned last is forgotten, and no flood of names takes the addresses of an origin.

    Attributes:
        changes: grows when an address came, changed or went.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()
        """In the order in which they were asked last."""
        self._learned: dict[Question, None] = {}
        """The same questions in the order in which they became known."""
        self._size_bytes = 0
        self.changes = 0

    def __len__(self) -> int:
        return sum(entry.records is not None for entry in self._entries.values())

    # --- Answering -----------------------------------------------------------------------------

    def at_once(self, question: Question, now_s: float) -> Told | None:
        """What is answered without asking anybody; None when the resolvers are to be asked."""
        entry = self._entries.get(question)
        if entry is None:
            return None
        entry.asked_s = now_s
        self._entries.move_to_end(question)
        if entry.records is not None and entry.trouble is None and now_s < entry.fresh_until_s:
            return Told(Kind.FOUND, entry.records, age_s=int(now_s - entry.got_s))
        if entry.trouble is None or now_s - entry.tried_s >= DNS_RECHECK_S:
            return None
        return self._remembered(entry, now_s, DNS_STALE_TTL_S)

    def meanwhile(self, question: Question, now_s: float) -> Told | None:
        """What is answered while the resolvers take long; None for silence.

        Silence makes Envoy ask elsewhere, and think less of this forwarder. So it is only for a
        name that nothing is known of yet.
        """
        entry = self._entries.get(question)
        return None if entry is None else self._remembered(entry, now_s, DNS_SLOW_TTL_S)

    def needs_sibling(self, question: Question, outcome: Outcome, now_s: float) -> bool:
        """Whether it matters for `settle` what the resolvers say of the other family."""
        entry = self._entries.get(question)
        return outcome.kind is Kind.NO_RECORD and entry is not None and _lives(entry, now_s)

    def settle(
        self, question: Question, outcome: Outcome, now_s: float, sibling: Outcome | None = None
    ) -> Told:
        """Learn what the resolvers said, and what is answered."""
        if outcome.kind is Kind.FOUND and outcome.records is not None:
            self._remember(question, outcome.records, now_s)
            return Told(Kind.FOUND, outcome.records)
        truly_empty = sibling is not None and sibling.kind is Kind.FOUND
        entry = self._entries.get(question)
        if entry is not None and (truly_empty or not _lives(entry, now_s)):
            self._forget(question)
            entry = None
        if entry is None:
            return self._told_without_memory(question, outcome.kind, now_s)
        self._trouble(entry, outcome.kind, now_s)
        return self._remembered(entry, now_s, DNS_STALE_TTL_S) or Told(outcome.kind)

    # --- What is known -------------------------------------------------------------------------

    def stale(self, now_s: float) -> Iterator[Stale]:
        """Names that are asked for and answered from memory only, oldest trouble first."""
        found = [
            (question, entry, entry.records, entry.trouble)
            for question, entry in self._entries.items()
            if entry.records is not None
            and entry.trouble is not None
            and _lives(entry, now_s)
            and now_s - entry.asked_s < DNS_ASKED_S
        ]
        for question, entry, records, trouble in sorted(found, key=lambda item: item[1].since_s):
            yield Stale(
                question,
                trouble,
                records.addresses,
                now_s - entry.since_s,
                entry.ends_s - now_s,
            )

    def kept(self, now_s: float, wall_s: float) -> tuple[Kept, ...]:
        """What goes to disk, that which was asked last at the end; what is too old is forgotten."""
        dead = [
            question
            for question, entry in self._entries.items()
            if not _lives(entry, now_s) and now_s - entry.asked_s >= DNS_ASKED_S
        ]
        for question in dead:
            self._forget(question)
        return tuple(
            Kept(question, entry.records, wall_s - (now_s - entry.got_s))
            for question, entry in self._entries.items()
            if entry.records is not None
        )

    def load(self, kept: Kept, now_s: float, wall_s: float) -> None:
        """Remember what came from disk; with a clock that was set back, as if it came now."""
        age_s = max(0.0, wall_s - kept.got_s)
        self._remember(kept.question, kept.records, now_s - age_s)
        entry = self._entries.get(kept.question)
        if entry is None or not _lives(entry, now_s):
            self._forget(kept.question)
            return
        entry.asked_s = now_s - DNS_ASKED_S

    # --- Inside --------------------------------------------------------------------------------

    def _told_without_memory(self, question: Question, kind: Kind, now_s: float) -> Told:
        if kind is Kind.FAILED:  # known next time, when the resolvers take long again
            self._entries[question] = entry = _Entry(now_s)
            self._learned[question] = None
            self._trouble(entry, kind, now_s)
            self._bound(now_s)
        other = self._entries.get(question.sibling)
        if other is not None and other.trouble is Kind.FAILED:
            kind = Kind.FAILED  # that one family is empty says nothing while the other is unknown
        return Told(kind)

    def _remembered(self, entry: _Entry, now_s: float, ttl_s: int) -> Told | None:
        if entry.records is not None and _lives(entry, now_s):
            return Told(Kind.FOUND, entry.records, ttl_s=ttl_s)
        return Told(Kind.FAILED) if entry.trouble is Kind.FAILED else None

    def _remember(self, question: Question, records: Records, now_s: float) -> None:
        before = self._entries.pop(question, None)
        if before is not None and before.records is not None:
            self._size_bytes -= len(before.records.body)
        if len(records.body) > DNS_RECORDS_SIZE_BYTES_MAX:
            self._learned.pop(question, None)
            return
        if before is None or before.records is None or not _same(before.records, records):
            self.changes += 1
        self._size_bytes += len(records.body)
        self._entries[question] = _Entry(now_s, records, now_s)
        self._learned.setdefault(question)
        self._bound(now_s)

    def _trouble(self, entry: _Entry, kind: Kind, now_s: float) -> None:
        if entry.trouble is None:
            entry.since_s = now_s
        entry.trouble, entry.tried_s = kind, now_s

    def _forget(self, question: Question) -> None:
        entry = self._entries.pop(question, None)
        self._learned.pop(question, None)
        if entry is not None and entry.records is not None:
            self._size_bytes -= len(entry.records.body)
            self.changes += 1

    def _bound(self, now_s: float) -> None:
        while len(self._entries) > DNS_NAMES_MAX or self._size_bytes > DNS_MEMORY_SIZE_BYTES_MAX:
            question, entry = next(iter(self._entries.items()))
            if now_s - entry.asked_s < DNS_ASKED_S:
                question = next(reversed(self._learned))
            self._forget(question)


def _lives(entry: _Entry, now_s: float) -> bool:
    return entry.records is not None and now_s < entry.ends_s


def _same(before: Records, after: Records) -> bool:
    return before.body == after.body or before.addresses == after.addresses
