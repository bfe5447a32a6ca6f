"""What the rules that held asked of a request, and what its record has of that.

A value is one of three: told; absent, which the record says too; or not recorded, and then it is
not guessed. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seawall.bots.expression_names import NAMES, WINDOW_NAMES, Type
from seawall.bots.kinds import kind_of
from seawall.challenge.binding import bound_host
from seawall.limits import WHY_FACTS_PER_RULE_MAX
from seawall.telemetry.bot_words import bucket_least, clause, times
from seawall.telemetry.bots import BotVerdict
from seawall.telemetry.records import AccessRecord, shown

REQUESTS: Final = "requests_"
ACCEPT_FEED: Final = "application/rss+xml"
"""What asks for a feed, where a record does not say what was asked for."""
_ACCEPT_KNOWN: Final = frozenset({0, 1})
"""Codes of `accept` that leave no room for a feed: none, and `*/*`."""


class FactState(StrEnum):
    """Whether the record has a value."""

    TOLD = "told"
    ABSENT = "absent"
    NOT_RECORDED = "not-recorded"


@dataclass(frozen=True, slots=True)
class RuleFact:
    """One name that a rule asked for, and what it stood for in this request.

    Attributes:
        rule: that asked.
        name: as in the rule language.
        value: None unless it is told; a word where rules compare with words. Of a number of
            requests from 8 on, the least that it was.
        words: a clause for people, in which nothing of the request is unprintable.
    """

    rule: str
    name: str
    state: FactState
    value: int | str | None
    words: str


def rule_facts(
    verdict: BotVerdict,
    record: AccessRecord,
    asks: Mapping[str, Sequence[str]],
    route_class: str,
) -> tuple[RuleFact, ...]:
    """What each rule that held asked for, in the order of the rules.

    Args:
        verdict: of the record.
        record: of the request.
        asks: the names that each rule of the record's release asks for.
        route_class: of the record's route in that release.
    """
    read = _Read(verdict, record, route_class)
    return tuple(
        read.fact(rule, name)
        for rule in verdict.rules
        for name in asks.get(rule, ())[:WHY_FACTS_PER_RULE_MAX]
    )


def fact_words(facts: Sequence[RuleFact]) -> Iterator[str]:
    """Each fact of one rule, as it stands in a sentence."""
    for fact in facts:
        value = fact.state.value.replace("-", " ") if fact.value is None else shown(str(fact.value))
        yield f"{fact.name} ({value}{f': {fact.words}' if fact.words else ''})"


@dataclass(frozen=True, slots=True)
class _Read:
    verdict: BotVerdict
    record: AccessRecord
    route_class: str

    def fact(self, rule: str, name: str) -> RuleFact:
        value, words = self._value(name)
        if value is None and self._kept(name):
            return RuleFact(rule, name, FactState.ABSENT, None, words)
        state = FactState.NOT_RECORDED if value is None else FactState.TOLD
        return RuleFact(rule, name, state, value, words)

    def _kept(self, name: str) -> bool:
        """Whether a record has it whenever the request had."""
        return name != "kind" and not (name == "category" and self.verdict.bot)

    def _value(self, name: str) -> tuple[int | str | None, str]:
        verdict, record = self.verdict, self.record
        if NAMES[name].type is Type.CODE:
            code = verdict.code(name.replace("_", "-"))
            words = {number: word for word, number in NAMES[name].words}
            return words.get(code, code) or None, clause(name.replace("_", "-"), code)
        if name.startswith(REQUESTS):
            return self._requests(name)
        if name == "kind":
            return self._kind()
        if name == "category":
            return None, f"that of {verdict.bot}" if verdict.bot else "it names no known bot"
        values = {
            "score": verdict.score,
            "cleared": verdict.level,
            "claims": verdict.bot,
            verdict.proof: verdict.bot,
            "route_class": self.route_class,
            "path": record.path,
            "method": record.method,
            "host": bound_host(record.host),
            "protocol": record.protocol,
        }
        found = values.get(name)
        return None if found == "" else found, ""

    def _requests(self, name: str) -> tuple[int | None, str]:
        feature = name.replace("_", "-")
        code = self.verdict.code(feature) if self.verdict.counted else 0
        if not code:
            return None, clause(feature, 0)
        return bucket_least(code), f"it asked {times(code)}"

    def _kind(self) -> tuple[str | None, str]:
        """Told where it does not hang on the `accept` header, of which a record has the sort."""
        record, codes = self.record, self.verdict.codes
        kind, other = (
            kind_of(record.path, record.method, self.route_class, codes, accept)
            for accept in (record.req_headers.get("accept", ""), ACCEPT_FEED)
        )
        sure = "accept" in record.req_headers or self.verdict.code("accept") in _ACCEPT_KNOWN
        if sure or kind == other:
            return kind, ""
        return None, f"{kind}, or {other} if its accept header asked for one"


def asked_in(lua: str) -> tuple[str, ...]:
    """The names that a condition in Lua asks for; see `seawall.bots.expression`.

    No text of a site file can pass for one: brackets stand in its literals by their numbers.
    """
    return tuple(
        name.text for name in NAMES.values() if name.type is not Type.FLAG and name.lua in lua
    )


def window_name(seconds: str) -> str:
    """The name that counts requests over a window of a `rate`, given in seconds."""
    spans = {"10": WINDOW_NAMES[0], "60": WINDOW_NAMES[1], "600": WINDOW_NAMES[2]}
    return f"{REQUESTS}{spans[seconds]}" if seconds in spans else ""
