"""What is told of bots in the story of a request: score, reasons, signals, the rule that decided.

Pure: a record and what is known of its release in, sentences out. The record is untrusted; what it
says of bots is told only when all of it makes sense, and the score only as far as the model, asked
again, gives the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from seawall.bots.kinds import kind_of
from seawall.bots.model import Model
from seawall.limits import BOT_DRIFT_THRESHOLDS
from seawall.model import BotDo, RouteClass
from seawall.model.switches import Feature
from seawall.telemetry import bot_words
from seawall.telemetry.bot_facts import RuleFact, fact_words, rule_facts
from seawall.telemetry.bot_signals import signal_sentences
from seawall.telemetry.bot_words import (
    NO_PAGE,
    SCORE_WORDS,
    begun,
    clause,
    listed,
    share_percent,
    times,
)
from seawall.telemetry.bots import BotVerdict, parse_verdict
from seawall.telemetry.flags import denied, ended_unsent
from seawall.telemetry.records import AccessRecord

_REASONS_MAX: Final = 4
_REASON_SHARE_MIN: Final = 0.1
"""Of the strongest reason: a weaker one explains nothing."""
_DONE: Final = {
    BotDo.BLOCK: "refused it (403)",
    BotDo.CHALLENGE: "challenged it",
    BotDo.RATE: "refused it, because its client sent too many requests (429)",
    BotDo.PAYMENT: "asked for payment (402)",
    BotDo.ALLOW: "let it pass",
}
_WOULD: Final = {
    BotDo.BLOCK: "would have refused it (403)",
    BotDo.CHALLENGE: "would have challenged it, unless its client has a clearance",
    BotDo.RATE: "would have refused it, because its client sent too many requests (429)",
    BotDo.PAYMENT: "would have asked for payment (402)",
    BotDo.ALLOW: "would have let it pass",
}
_EXEMPT: Final = {
    "exempt:robots": "robots.txt is open to everybody, whatever the policy says.",
    "exempt:acme": "The path for ACME challenges is open to everybody.",
    "exempt:seawall": "Seawall's own paths are open to everybody.",
    "exempt:private": "The node itself sent this request, so no policy applies.",
}
_EXEMPT_BEGIN: Final = "exempt:"
_REFUSED: Final = frozenset({BotDo.BLOCK, BotDo.CHALLENGE, BotDo.RATE, BotDo.PAYMENT})
_CATEGORY: Final = "category:"
ANSWERED_HERE: Final = "lua_response"
"""Envoy's details of an answer that the bot filter gave; a route's origin is named all the same."""
_ENDED_BEFORE: Final = "upgrade_failed"
"""Envoy's details of an upgrade that no route allows: no filter sees such a request."""


@dataclass(frozen=True)
class KnownModel:
    """The model that a record names.

    Attributes:
        digest: first hex digits of its SHA-256.
        came: how it came, such as `release r12 brought it`.
    """

    model: Model
    digest: str
    came: str


@dataclass(frozen=True, slots=True)
class KnownPolicy:
    """What the record's release says of bots for the record's route.

    Attributes:
        watched: the route's requests are looked at.
        enforced: the policy is carried out, not only recorded.
        actions: what each rule and each `category:NAME` does.
        asks: the names that each rule asks for.
        route_class: of the route.
        skips_parts: scripts, styles and images are not scored.
    """

    watched: bool
    enforced: bool = False
    actions: tuple[tuple[str, BotDo], ...] = ()
    asks: tuple[tuple[str, tuple[str, ...]], ...] = ()
    route_class: str = ""
    skips_parts: bool = False

    @property
    def scores(self) -> bool:
        """Whether requests are scored: where it observes, or if a rule asks for the score."""
        return not self.enforced or any("score" in names for _, names in self.asks)

    def action_of(self, rule: str) -> BotDo | None:
        """What `rule` does; None when this policy has none of that name."""
        return dict(self.actions).get(rule)


@dataclass(frozen=True, slots=True)
class KnownBots:
    """What is known beside the record; None, and an empty name of the shadow, where it is not."""

    model: KnownModel | None = None
    policy: KnownPolicy | None = None
    shadow: str = ""


def bot_sentences(record: AccessRecord, known: KnownBots) -> Iterator[str]:
    """What is told of bots; nothing for a request that no site's route took."""
    if not record.bots:
        yield from _not_looked_at(record, known.policy)
        return
    verdict = parse_verdict(record.bots)
    if verdict is None:
        yield "This version cannot read the bot fields of its record."
        return
    yield from _identity(verdict)
    yield from _score(verdict, record, known)
    yield from _shadow(verdict, known.shadow)
    yield from signal_sentences(verdict, record)
    yield from _past(verdict)
    yield from _decision(verdict, record, known.policy)
    yield from _asked(verdict.rules, bot_facts(record, known), known.policy)


def bot_facts(record: AccessRecord, known: KnownBots) -> tuple[RuleFact, ...]:
    """What the rules that held asked for; nothing where the release does not tell."""
    verdict = parse_verdict(record.bots)
    if verdict is None or known.policy is None:
        return ()
    return rule_facts(verdict, record, dict(known.policy.asks), known.policy.route_class)


def bot_remedy(record: AccessRecord) -> str:
    """What to do when a request was refused that should not have been; else empty."""
    verdict = parse_verdict(record.bots)
    if verdict is None or record.details != ANSWERED_HERE:
        return ""
    feature = Feature.CHALLENGE if verdict.action is BotDo.CHALLENGE else Feature.BOTS
    site, rule = record.site[:63], _rule_words(verdict.rules[-1:])
    return (
        f"If it should have passed, change {rule} of site {site} in the site file; in a hurry: "
        f"`seawall kill {feature} --site {site} --reason WHY`."
    )


def _not_looked_at(record: AccessRecord, policy: KnownPolicy | None) -> Iterator[str]:
    if not record.route or record.route.partition("/")[2].startswith("_"):
        return
    if policy is not None and policy.watched:
        if record.details == _ENDED_BEFORE or denied(record.details):
            yield "The record has no bot fields: the request ended before the bot filter."
            return
        yield (
            "The record has no bot fields: the bot filter failed, or the request ended before "
            "it. If the filter fails, the request passes."
        )
    elif policy is not None:
        yield "Bot detection is off on this route."


def _identity(verdict: BotVerdict) -> Iterator[str]:
    match verdict.proof:
        case "verified":
            yield f"It says that it is {verdict.bot}, and this was verified."
        case "impostor":
            yield f"It says that it is {verdict.bot}, but it is not: an impostor."
        case "unknown":
            yield f"It says that it is {verdict.bot}; this could be neither verified nor ruled out."
    match verdict.clearance:
        case "ok":
            yield f"It has a clearance of level {verdict.level}: it passed a challenge before."
        case "expired":
            yield "Its clearance has expired."
        case "invalid":
            yield (
                "Its clearance is not valid here: not issued by this edge, altered, or issued "
                "for another network, host or client."
            )


def _score(verdict: BotVerdict, record: AccessRecord, known: KnownBots) -> Iterator[str]:
    if verdict.score is None:
        yield f"It has no score: {_why_no_score(verdict, record, known.policy)}."
        return
    words = next(words for most, words in SCORE_WORDS if verdict.score <= most)
    yield (
        f"Its score is {verdict.score} of 99 (1 automated, 99 human): {words}. "
        f"{_model_words(verdict, known.model)}"
    )
    if known.model is None:
        return
    again = known.model.model.score(verdict.codes)
    if again != verdict.score:
        yield (
            f"The model now gives {again} for the same signals: the record was altered, or "
            "another version wrote it. So no reasons are given."
        )
        return
    yield from _reasons(known.model.model, verdict.codes)


def _shadow(verdict: BotVerdict, known: str) -> Iterator[str]:
    """What a second model said, which decided nothing."""
    if not verdict.shadow or verdict.score is None:
        return
    name = f"{known} ({verdict.shadow})" if known else verdict.shadow
    if verdict.shadow_score is None:
        yield f"The shadow model {name} could not score it. This had no effect."
        return
    yield (
        f"The shadow model {name} gives it {verdict.shadow_score}. A shadow decides nothing. "
        f"{_sides(verdict.score, verdict.shadow_score)}"
    )


def _sides(score: int, other: int) -> str:
    crossed = [side for side in BOT_DRIFT_THRESHOLDS if (score <= side) is not (other <= side)]
    if not crossed:
        return "With the usual thresholds a policy would decide the same."
    bounds = listed([str(side) for side in crossed])
    return f"A rule that compares the score with {bounds} would decide differently."


def _why_no_score(verdict: BotVerdict, record: AccessRecord, policy: KnownPolicy | None) -> str:
    if not verdict.model:
        return "there is no bot model"
    if verdict.proof == "verified":
        return "it is a verified bot"
    if policy is not None and not policy.watched:
        return "bot detection is off here"
    if policy is not None and policy.skips_parts:
        kind = kind_of(record.path, record.method, policy.route_class, verdict.codes)
        if kind == "asset" or policy.route_class == RouteClass.STATIC:
            return "parts of pages are not scored, unless the site says `static: score`"
    if verdict.clearance == "ok" and (policy is None or policy.scores):
        return "its client has a clearance"
    return "no rule that could decide here uses the score"


def _model_words(verdict: BotVerdict, known: KnownModel | None) -> str:
    if known is None:
        return f"Model {verdict.model} gave it, which is no longer stored: its reasons are unknown."
    return f"Model {known.model.name} ({verdict.model}) gave it; {known.came}."


def _reasons(model: Model, codes: Sequence[int]) -> Iterator[str]:
    """What moved the score most, in each direction: features that say the same are one reason."""
    moved: dict[str, float] = {}
    for name, step in model.reasons(codes).items():
        said = clause(name, _code(model, name, codes))
        moved[said] = moved.get(said, 0.0) + step
    least = _REASON_SHARE_MIN * max((abs(step) for step in moved.values()), default=0.0)
    top = [said for said in moved if moved[said] and abs(moved[said]) >= least]
    top.sort(key=lambda said: -abs(moved[said]))
    for looks, sign in (("automated", -1), ("human", 1)):
        own = [said for said in top if moved[said] * sign > 0][:_REASONS_MAX]
        if own:
            yield f"It looks {looks} because {listed(own)}."


def _code(model: Model, name: str, codes: Sequence[int]) -> int:
    return codes[model.places[model.features.index(name)]]


def _past(verdict: BotVerdict) -> Iterator[str]:
    asked = [verdict.code(f"requests-{span}") for span in ("10s", "60s", "10m")]
    if not verdict.counted or not all(asked):
        yield "The client's earlier requests are unknown."
        return
    if set(asked) == {1}:
        yield "It is the first request of its client in 10 minutes."
        return
    ten_s, minute, ten_min = (times(code) for code in asked)
    errors, assets = verdict.code("errors-10m"), verdict.code("assets-10m")
    shares = ""
    if errors and assets:
        shares = (
            f"; {share_percent(errors)} % of its responses in 10 minutes were errors, and "
            f"{share_percent(assets)} % of its requests were for parts of pages"
        )
    yield (
        f"Including this request, its client has asked {ten_s} in 10 seconds, {minute} in a "
        f"minute and {ten_min} in 10 minutes{shares}."
    )


def _decision(
    verdict: BotVerdict, record: AccessRecord, policy: KnownPolicy | None
) -> Iterator[str]:
    if not verdict.rules:
        yield "No rule matched, so it passed."
        return
    last = verdict.rules[-1]
    if last.startswith(_EXEMPT_BEGIN):
        yield _EXEMPT.get(last, "No bot policy applies to it.")
        return
    if verdict.action is BotDo.OBSERVE:
        yield from _observed(verdict, policy)
        return
    noted = f"{_rule_words(verdict.rules[:-1])} noted it. " if verdict.rules[:-1] else ""
    yield f"{begun(noted)}{begun(_rule_words(verdict.rules[-1:]))} {_DONE[verdict.action]}."
    if verdict.action in _REFUSED and record.details != ANSWERED_HERE:
        yield bot_words.UNANSWERED if ended_unsent(record) else bot_words.NOT_HAD
    elif verdict.action is BotDo.CHALLENGE and record.status == bot_words.BUSY_STATUS:
        yield bot_words.BUSY
    elif verdict.action is BotDo.CHALLENGE and policy is not None:
        kind = kind_of(record.path, record.method, policy.route_class, verdict.codes)
        yield from () if kind == "page" else (NO_PAGE,)


def _observed(verdict: BotVerdict, policy: KnownPolicy | None) -> Iterator[str]:
    """A site that only observes, or rules that only note."""
    last = verdict.rules[-1]
    would = policy.action_of(last) if policy is not None else None
    if policy is None or (would is None and not policy.enforced):
        yield f"{begun(_rule_words(verdict.rules))} matched; it was only observed."
    elif would is None or would is BotDo.OBSERVE or policy.enforced:
        yield f"{begun(_rule_words(verdict.rules))} noted it, and it passed."
    else:
        yield (
            f"{begun(_rule_words((last,)))} {_WOULD[would]}; the site only observes, so it passed."
        )


def _asked(
    rules: Sequence[str], facts: Sequence[RuleFact], policy: KnownPolicy | None
) -> Iterator[str]:
    asks = dict(policy.asks) if policy is not None else {}
    for rule in rules:
        own = [*fact_words([fact for fact in facts if fact.rule == rule])]
        if left := len(asks.get(rule, ())) - len(own):
            own.append(f"{left} more")
        if own:
            yield f"Rule {rule} asked for {listed(own)}."


def _rule_words(rules: Sequence[str]) -> str:
    if not rules:
        return "the policy"
    named = [
        f"what is said of {rule.removeprefix(_CATEGORY)} bots"
        if rule.startswith(_CATEGORY)
        else f"rule {rule}"
        for rule in rules
    ]
    return listed(named)
