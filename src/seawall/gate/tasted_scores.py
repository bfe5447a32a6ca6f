"""What the sacrificial Envoys say of scores: the Lua filter really ran there. Pure.

A score that Envoy gives must be the one that the model gives for the vector that Envoy saw, and a
release with a model must score what the current release scores. Both are refused for good: they
would be so on every node. The same holds for a shadow, in the release that brings it; later it
decides nothing, not even about a release.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from seawall.bots.scripted import ScriptedModel
from seawall.compiler.names import ROUTE_BOTS
from seawall.gate.ask import Answer
from seawall.gate.compare import Finding
from seawall.gate.probes import Probe
from seawall.telemetry.bot_story import KnownPolicy
from seawall.telemetry.bots import BotVerdict, parse_verdict

_FORBIDDEN: Final = 403
Policies = Callable[[bool], Mapping[str, KnownPolicy]]
"""What holds for each route, by name: with TLS, or without."""


def _unknown(_tls: bool) -> Mapping[str, KnownPolicy]:
    return {}


def look_at_scores(
    probes: Sequence[Probe],
    new: Sequence[Answer],
    old: Sequence[Answer],
    model: ScriptedModel | None,
    policies: Policies = _unknown,
) -> tuple[Finding | None, str]:
    """What refuses the release, and one line of arithmetic; nothing to say without a model.

    Args:
        probes: what was asked.
        new: answers of the release.
        old: answers of the current one, as many as are known.
        model: of the release.
        policies: of the release; asked only if nothing is scored.
    """
    if model is None:
        return None, ""
    scored = 0
    for index, probe, verdict in _scored(probes, new):
        scored += 1
        wanted = model.score(verdict.codes)
        if verdict.score != wanted or verdict.model != model.id:
            text = (
                f"{probe.name}: Envoy gives the score {verdict.score} with model "
                f"{verdict.model}, but {model.title} gives {wanted} for the same vector."
            )
            remedy = "The model behaves differently in Envoy. Report this, with the model."
            return Finding("taster-score-parity", text, remedy, index), ""
    due = 0 if scored else _due(probes, new, old, policies)
    if due:
        text = (
            f"None of {due} requests that the current release scores gets a score: the filter "
            "fails, so no request would have a score."
        )
        return Finding("taster-unscored", text, "Report this, with the model."), ""
    return None, f"Envoy scored {scored} of {len(new)} requests as {model.title} does."


def look_at_shadow(
    probes: Sequence[Probe],
    new: Sequence[Answer],
    shadow: ScriptedModel | None,
    *,
    brought: bool,
) -> tuple[Finding | None, str]:
    """The same for the shadow.

    Args:
        probes: what was asked.
        new: answers of the release.
        shadow: of the release.
        brought: by this release; else what is wrong with it is told and refuses nothing.
    """
    if shadow is None:
        return None, ""
    due = scored = 0
    for index, probe, verdict in _scored(probes, new):
        due += 1
        if verdict.shadow_score is None:
            continue
        scored += 1
        wanted = shadow.score(verdict.codes)
        if verdict.shadow_score != wanted or verdict.shadow != shadow.id:
            text = (
                f"{probe.name}: Envoy gives the score {verdict.shadow_score} with shadow "
                f"{verdict.shadow}, but {shadow.title} gives {wanted} for the same vector."
            )
            return _of_shadow("taster-shadow-parity", text, index, brought=brought)
    if due and not scored:
        text = f"The shadow {shadow.title} scores none of {due} scored requests: it fails in Envoy."
        return _of_shadow("taster-shadow-unscored", text, -1, brought=brought)
    return None, f"Envoy's shadow scored {scored} of {due} scored requests as {shadow.title} does."


def _scored(
    probes: Sequence[Probe], answers: Sequence[Answer]
) -> Iterator[tuple[int, Probe, BotVerdict]]:
    """Each answer that Envoy scored: its place, what was asked, and the verdict."""
    for index, (probe, answer) in enumerate(zip(probes, answers, strict=False)):
        verdict = parse_verdict(answer.bots)
        if verdict is not None and verdict.score is not None:
            yield index, probe, verdict


def _of_shadow(code: str, text: str, probe: int, *, brought: bool) -> tuple[Finding | None, str]:
    if not brought:
        return None, f"{text} A shadow decides nothing, so the release is not refused."
    remedy = (
        "The shadow behaves differently in Envoy. Report this, with the model. If it was "
        "pushed, `seawall bots unshadow` removes it."
    )
    return Finding(code, text, remedy, probe), ""


def _due(
    probes: Sequence[Probe], new: Sequence[Answer], old: Sequence[Answer], policies: Policies
) -> int:
    """How many of the unscored answers should have a score."""
    known = {tls: policies(tls) for tls in {probe.https for probe in probes}}
    return sum(
        _is_scored(before)
        and not now.route.endswith(ROUTE_BOTS)  # of the edge itself: nobody is looked at there
        and not _turned_away(now)
        and _wants_score(known[probe.https].get(now.route), now)
        for probe, now, before in zip(probes, new, old, strict=False)
    )


def _wants_score(policy: KnownPolicy | None, now: Answer) -> bool:
    """Not where nobody is looked at, nor by a policy that asks for no score and did decide."""
    if policy is None:
        return True
    return policy.watched and (policy.scores or parse_verdict(now.bots) is None)


def _turned_away(answer: Answer) -> bool:
    """By an address list: before the bot filter, which then says nothing."""
    return answer.status == _FORBIDDEN and not answer.bots and not answer.arrived


def _is_scored(answer: Answer) -> bool:
    verdict = parse_verdict(answer.bots)
    return verdict is not None and verdict.score is not None
