"""What the answers of a release say beside those of the current one. Pure.

A difference on a route that was changed is what somebody wanted: it is listed. What refuses a
release is worse than different: no answer, an error of the edge where there was none before, a
golden request answered otherwise than written, or far more processor time for one request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seawall import limits
from seawall.compiler.contents import Contents
from seawall.gate.ask import Answer, Failure
from seawall.gate.probes import Probe, Source

_ERROR_MIN = 500
_SHOWN_CHARS_MAX = 60
_VERDICT_WORDS = 3
"""Of a decision of the bot filter: score, action and rule."""
_MODEL_WORD = 5


@dataclass(frozen=True, slots=True)
class Changed:
    """Names of what differs between the current release and the new one.

    Attributes:
        routes: added, removed or changed.
        origins: the same, of what they are, not of their endpoints.
        alone: the sites to which all of it is confined; empty when it is not: see `narrow`.
        without_tls: hosts among those asked that no site of the new release has over TLS.
    """

    routes: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()
    without_tls: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a release is refused.

    Attributes:
        code: stable, kebab-case.
        text: with the arithmetic.
        probe: index of the request; -1 for none.
        blames_content: the release is to blame, and would be on any machine at any time. Never for
            what a busy machine shows as well: time that ran out, processor time.
    """

    code: str
    text: str
    remedy: str
    probe: int = -1
    blames_content: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it: what refuses the release, and what merely differs."""

    refusals: tuple[Finding, ...]
    differences: tuple[str, ...]


def changed(old: Contents | None, new: Contents) -> Changed:
    """What differs; everything when there is nothing before."""
    if old is None:
        return Changed(frozenset(new.routes), frozenset(new.origins))
    return Changed(_differing(old.routes, new.routes), _differing(old.origins, new.origins))


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> frozenset[str]:
    return frozenset(name for name in {*old, *new} if old.get(name) != new.get(name))


def compare(
    probes: Sequence[Probe],
    new: Sequence[Answer],
    old: Sequence[Answer | None],
    change: Changed,
) -> Comparison:
    """Judge every answer.

    Args:
        probes: what was asked.
        new: answers of the release, as many or fewer: nothing is said of what was not asked.
        old: answers of the current release; None where it was not asked.
        change: what was changed on purpose.
    """
    refusals: list[Finding] = []
    differences: list[str] = []
    for index, (probe, answer) in enumerate(zip(probes, new, strict=False)):
        before = old[index] if index < len(old) else None
        meant = _is_meant(probe, answer, before, change)
        finding = _refusal(index, probe, answer, before, meant=meant)
        if finding is not None:
            refusals.append(finding)
        if before is not None and (text := _difference(answer, before)):
            why = "changed on purpose" if meant else "unexpected: the route did not change"
            differences.append(f"{probe.name}: {text} ({why})")
        if before is not None and (text := _verdicts(answer, before)):
            differences.append(f"{probe.name}: {text}")
    return Comparison(tuple(refusals), tuple(differences))


def _is_meant(probe: Probe, answer: Answer, before: Answer | None, change: Changed) -> bool:
    """Whether what decided the answer was changed, so that another answer is no surprise."""
    if answer.failure is Failure.NO_TLS:
        return probe.host in change.without_tls
    routes = {answer.route, before.route if before else ""}
    origins = {answer.cluster, before.cluster if before else ""}
    return not (routes.isdisjoint(change.routes) and origins.isdisjoint(change.origins))


def _refusal(
    index: int, probe: Probe, answer: Answer, before: Answer | None, *, meant: bool
) -> Finding | None:
    if answer.failure not in (Failure.NONE, Failure.NOT_SERVED):
        if before is not None and before.failure is answer.failure:
            return None
        refused = answer.failure is Failure.NO_TLS
        if refused and meant and probe.source is not Source.GOLDEN:
            return None
        text = f"{probe.name}: {answer.failure.value}, {_was(before)}; twice."
        remedy = "Check what you changed along the path of this request."
        return Finding("taster-no-answer", text, remedy, index, blames_content=False)
    if probe.source is Source.GOLDEN and (text := _golden(probe, answer, before)):
        remedy = "Fix the site, or the `golden` request if its answer was meant to change."
        return Finding("golden-answered-otherwise", f"{probe.name}: {text}", remedy, index)
    if (
        answer.status >= _ERROR_MIN
        and not meant
        and before is not None
        and before.failure is Failure.NONE
        and before.status < _ERROR_MIN
    ):
        text = (
            f"{probe.name}: answered {answer.status}, {_was(before)}, on route "
            f"{answer.route or '(none)'}, which did not change."
        )
        remedy = "Check what you changed for all routes of that site."
        return Finding("taster-new-error", text, remedy, index)
    return _cpu(index, probe, answer, before)


def _golden(probe: Probe, answer: Answer, before: Answer | None) -> str:
    """What is wrong with the answer to a golden request; empty when nothing is."""
    if answer.failure is Failure.NOT_SERVED:
        return "nothing listens on its address."
    if probe.status and answer.status not in probe.status:
        wanted = " or ".join(str(status) for status in probe.status)
        return f"answered {answer.status}, expected {wanted}."
    if not probe.status:
        if before is not None and before.failure is Failure.NONE:
            if answer.status != before.status:
                return f"answered {answer.status}, {_was(before)}."
        elif answer.status >= _ERROR_MIN:
            return f"answered {answer.status}."
    if not answer.contains:
        return f"the answer does not contain `{probe.contains[:_SHOWN_CHARS_MAX]}`."
    return ""


def _cpu(index: int, probe: Probe, answer: Answer, before: Answer | None) -> Finding | None:
    most_s = limits.TASTER_CPU_PER_REQUEST_S
    told = "the limit when there is nothing to compare with"
    if before is not None and before.failure is Failure.NONE:
        most_s = max(
            limits.TASTER_CPU_GROWTH_MAX * before.cpu_s, before.cpu_s + limits.TASTER_CPU_GROWTH_S
        )
        told = (
            f"{limits.TASTER_CPU_GROWTH_MAX:g} times the {_ms(before.cpu_s)} of the current "
            f"release, or {_ms(limits.TASTER_CPU_GROWTH_S)} more"
        )
    if answer.cpu_s <= most_s:
        return None
    text = f"{probe.name}: {_ms(answer.cpu_s)} of CPU time, over {_ms(most_s)} ({told})."
    remedy = "Look for a costly rule or filter along the path of this request."
    return Finding("taster-cpu", text, remedy, index, blames_content=False)


def _difference(answer: Answer, before: Answer) -> str:
    if answer.failure is not before.failure:
        return f"{answer.failure.value or answer.status}, {_was(before)}"
    parts = [
        f"{name} {_shown(old)} -> {_shown(new)}"
        for name, old, new in (
            ("status", before.status, answer.status),
            ("route", before.route, answer.route),
            ("origin", before.cluster, answer.cluster),
            ("location", before.location, answer.location),
            ("the origin sees", before.arrived, answer.arrived),
        )
        if old != new
    ]
    headers, others = dict(answer.headers), dict(before.headers)
    parts += [
        f"header {name} {_shown(others.get(name, ''))} -> {_shown(headers.get(name, ''))}"
        for name in sorted({*headers, *others} - {"location"})
        if headers.get(name) != others.get(name)
    ]
    return ", ".join(parts)


def _verdicts(answer: Answer, before: Answer) -> str:
    """Another verdict on the client, where both releases gave one."""
    now, was = answer.bots.split(" "), before.bots.split(" ")
    if now[:_VERDICT_WORDS] == was[:_VERDICT_WORDS] or not (answer.bots and before.bots):
        return ""
    told = f"{' '.join(was[:_VERDICT_WORDS])} -> {' '.join(now[:_VERDICT_WORDS])}"
    same = now[_MODEL_WORD:][:1] == was[_MODEL_WORD:][:1]
    return f"score and verdict {told} ({'by the same' if same else 'by another'} model)"


def _shown(value: str | int) -> str:
    text = str(value)
    return (text[:_SHOWN_CHARS_MAX] + "…" if len(text) > _SHOWN_CHARS_MAX else text) or "nothing"


def _was(before: Answer | None) -> str:
    if before is None:
        return "with nothing to compare with"
    return f"the current release {before.failure.value or before.status}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
