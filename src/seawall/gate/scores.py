"""The stage that looks at what a release scores: the compiled model, its proofs, and score drift.

It judges the compiled text, which is what Envoy will run. A model whose golden vectors do not come
out is refused for good. One that scores recent requests quite otherwise than the current one is
refused until somebody says by name that it is meant. Where there is nothing to measure, that is
said: it is a state of the report, not a pass.

A shadow is judged by its proofs alone, and only by the release that brings it: being different is
its point, so its drift is told and refuses nothing, and one that was accepted keeps no other
change from its release.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seawall import limits
from seawall.bots.drift import Drift, golden_lines, traffic_lines
from seawall.bots.scripted import ScriptedModel, scripted_model, scripted_shadow
from seawall.compiler.model_words import model_of, script_of, shadow_of
from seawall.compiler.snapshot import Snapshot
from seawall.errors import RefusedError
from seawall.gate.drift import golden_vectors, measured, recent_vectors
from seawall.gate.report import StageFinding
from seawall.release.release import Kind
from seawall.telemetry import records

Recent = Callable[[], Sequence[tuple[int, ...]]]


def read_vectors(access_file: Path, now_s: float) -> list[tuple[int, ...]]:
    """Feature vectors of recent requests of this machine; none when there is no record."""
    found = records.recent(access_file, limits.BOT_DRIFT_READ_BYTES)
    return recent_vectors(found, now_s)


def judge_scores(old: Snapshot | None, new: Snapshot, kind: Kind, recent: Recent) -> StageFinding:
    """Compare what serves with what shall serve.

    Args:
        old: the current release; None before the first.
        new: what shall be released.
        kind: of the release; a kill switch may end scoring, nothing else may unforced.
        recent: feature vectors of recent requests; asked only when models differ.
    """
    report = _judge_model(old, new, kind, recent)
    shadow = scripted_shadow(script_of(new))
    if shadow is None or (report.refusal is not None and not report.forcible):
        return report
    before = shadow_of(old) if old is not None else None
    # A kill switch that ends brings back what was there, and nothing may hold that up.
    brought = kind is not Kind.SWITCH and (before is None or before.id != shadow.id)
    return _with_shadow(report, model_of(new), shadow, recent, brought=brought)


def _judge_model(old: Snapshot | None, new: Snapshot, kind: Kind, recent: Recent) -> StageFinding:
    text = script_of(new)
    if not text:
        return StageFinding("no site uses bot detection")
    model, before = scripted_model(text), model_of(old) if old is not None else None
    if model is None:
        return _without_model(before, kind)
    if wrong := model.wrong_golden():
        refusal = RefusedError(
            "bot-model-not-proven",
            f"The compiled bot model {model.title} does not give its promised scores: {wrong}.",
            remedy="Check the program that made it. The current model stays in force.",
        )
        return StageFinding(refusal.message, refusal=refusal, forcible=False)
    proofs = f"{len(model.golden)} golden vectors of {model.title} give the promised scores."
    if before is None:
        note = f"Bot model {model.title}: the first model, so there is no drift to measure."
        return StageFinding("first bot model: drift not measured", (proofs, note), notes=(note,))
    if before.id == model.id:
        return StageFinding("the bot model did not change", (proofs,))
    return _compared(before, model, recent(), proofs)


def _with_shadow(
    report: StageFinding,
    model: ScriptedModel | None,
    shadow: ScriptedModel,
    recent: Recent,
    *,
    brought: bool,
) -> StageFinding:
    """The report on the model, and what there is to say of the shadow beside it."""
    if wrong := shadow.wrong_golden():
        text = (
            f"The compiled shadow bot model {shadow.title} does not give its promised scores: "
            f"{wrong}."
        )
        if not brought:
            return replace(report, lines=(*report.lines, text), notes=(*report.notes, text))
        refusal = RefusedError(
            "bot-shadow-not-proven",
            text,
            remedy="Check the program that made it. If it was pushed, `seawall bots unshadow` "
            "removes it.",
        )
        return StageFinding(text, refusal=refusal, forcible=False)
    proofs = (
        f"{len(shadow.golden)} golden vectors of the shadow {shadow.title} give the promised "
        "scores."
    )
    lines = [*report.lines, proofs]
    if brought and model is not None:
        lines += _shadow_drift(model, shadow, recent())
        report = replace(
            report, summary=f"{report.summary}; the shadow {shadow.title} gives its promised scores"
        )
    return replace(report, lines=tuple(lines))


def _shadow_drift(
    model: ScriptedModel, shadow: ScriptedModel, recent: Sequence[tuple[int, ...]]
) -> Iterator[str]:
    """How far a shadow is from the model; over a bound or not, it decides nothing."""
    traffic = measured(model, shadow, recent)
    if traffic is None or traffic.count < limits.BOT_DRIFT_VECTORS_MIN:
        count = traffic.count if traffic is not None else 0
        yield (
            f"Shadow: {count} recent vectors, {limits.BOT_DRIFT_VECTORS_MIN} are needed: its drift "
            "is not measured on traffic."
        )
    else:
        if traffic.one_score:
            yield f"Shadow: it gives all {traffic.count} recent vectors the score {traffic.least}."
        for text, _ in traffic_lines(traffic):
            yield f"Shadow, recent vectors: {text}."
    chosen = measured(model, shadow, golden_vectors(model))
    if chosen is not None:
        yield from (f"Shadow, golden vectors: {text}." for text, _ in golden_lines(chosen))


def _without_model(before: ScriptedModel | None, kind: Kind) -> StageFinding:
    if before is None:
        return StageFinding("no bot model: scores are absent")
    text = (
        f"The release has no bot model, so no request would get a score. Now {before.title} "
        "gives scores."
    )
    if kind is Kind.SWITCH:
        return StageFinding("scores become absent", (text,), notes=(text,))
    return StageFinding(text, (text,), _drifts(text))


def _compared(
    old: ScriptedModel, new: ScriptedModel, recent: Sequence[tuple[int, ...]], proofs: str
) -> StageFinding:
    lines = [f"Bot model {old.title} -> {new.title}.", proofs]
    over: list[str] = []
    notes: list[str] = []
    traffic = measured(old, new, recent)
    if traffic is None:
        notes.append("No recent vectors: drift not measured on traffic.")
    elif traffic.count < limits.BOT_DRIFT_VECTORS_MIN:
        notes.append(
            f"Only {traffic.count} recent vectors, {limits.BOT_DRIFT_VECTORS_MIN} are needed: "
            "drift not measured on traffic."
        )
    else:
        _tell("Recent vectors", traffic, traffic_lines(traffic), lines, over)
    chosen = measured(old, new, golden_vectors(old))
    if chosen is not None:
        _tell("Golden vectors", chosen, golden_lines(chosen), lines, over)
    lines += notes
    if over:
        text = f"The scores drift from {old.title} to {new.title}: {'; '.join(over)}."
        return StageFinding(text, tuple(lines), _drifts(text), notes=tuple(notes))
    summary = "drift not measured on traffic"
    if not notes and traffic is not None:
        summary = f"{traffic.moved} of {traffic.count} recent vectors moved far"
    return StageFinding(summary, tuple(lines), notes=tuple(notes))


def _tell(
    what: str,
    drift: Drift,
    views: Iterable[tuple[str, bool]],
    lines: list[str],
    over: list[str],
) -> None:
    """Add every view to the lines, and those over their bound to the reasons."""
    if drift.one_score:
        text = f"the new model gives all {drift.count} the score {drift.least}"
        lines.append(f"{what}: {text}.")
        over.append(text)
    for text, is_over in views:
        lines.append(f"{what}: {text}.")
        if is_over:
            over.append(text)


def _drifts(text: str) -> RefusedError:
    return RefusedError(
        "score-drift",
        text,
        remedy="Check the program that made the model. The current model stays in force. If the "
        "change is intended: `--force score-drift`, which is recorded.",
    )
