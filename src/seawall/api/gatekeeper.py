"""The gate: the seven stages between compiling and storing, asked in order, stopped at the first.

It decides the order, what runs beside what, and what somebody may force; the stages themselves live
in `gate` and `release.guard`. Envoy's validation and the taster are other processes and begin at
once: a release of good size waits for the slowest stage, not for the sum of them. What they find is
still told in order, and a refusal before them ends them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from seawall.api.present import envoy_refusal, refusal_text
from seawall.api.remembered import Remembered
from seawall.api.stages import FORCE_SCORES, FORCE_TASTER, Say, Stages, guard_view
from seawall.api.views import GuardView
from seawall.clock import Clock, SystemClock
from seawall.compiler.contents import Contents, Reader, contents
from seawall.compiler.diff import Change, diff
from seawall.compiler.snapshot import Snapshot
from seawall.errors import InternalError, RefusedError, UsageError
from seawall.gate.clients import FORCE_CLIENTS, Rehearse, judge_clients
from seawall.gate.compare import Changed, changed
from seawall.gate.compat import Recipient, require_compatible
from seawall.gate.narrow import sites_alone
from seawall.gate.parts import Parts
from seawall.gate.process import Ending
from seawall.gate.report import GateReport, GateStage, StageFinding
from seawall.gate.scores import judge_scores
from seawall.gate.taster import Order, Taster, TasteReport
from seawall.gate.validate import Validator
from seawall.release.bundle import Bundle, digest_of, encode
from seawall.release.guard import guard
from seawall.release.release import Kind
from seawall.rollout.ports import Nack
from seawall.site.problem import Location
from seawall.tasks import beside
from seawall.telemetry.rehearsal import Rehearsed

ResultT = TypeVar("ResultT")
Anew = Callable[[], Snapshot | None]
"""Compiles the current release once more, with the Seawall that runs now."""
Recent = Callable[[], Sequence[tuple[int, ...]]]
_FORCED_HERE: Final = (FORCE_CLIENTS, FORCE_SCORES, FORCE_TASTER)
_HEX: Final = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True)
class Verdict:
    """What the guard says of a change, and the change in words.

    Attributes:
        refusal: why it may not go on; None when it may.
        notes: what was forced.
    """

    changes: tuple[Change, ...]
    guard: GuardView
    refusal: RefusedError | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Validation:
    """What Envoy says of a snapshot before anyone serves it.

    Attributes:
        refusal: why it may not go on; None when it may.
        nacks: what Envoy refused, when it was Envoy that refused.
        text: what was checked, when it passed.
        blames_content: of a refusal, whether the snapshot is to blame rather than the machine.
    """

    refusal: RefusedError | None
    nacks: tuple[Nack, ...] = ()
    text: str = ""
    blames_content: bool = False


@dataclass(frozen=True)
class Case:
    """What stands before the gate.

    Attributes:
        old: the current release; None before the first, or when it cannot be read.
        locations: where each subject was written, to lead Envoy's words back.
        recipients: the nodes that will be given it.
        force: what somebody lets pass by name.
        guarded: False for content that is current already: it changes nothing.
        anew: makes what `old` would be if it were compiled now; None when that cannot be told.
        rehearse: tries changed bot rules and address lists on recorded requests.
    """

    new: Bundle
    old: Bundle | None
    locations: Mapping[str, Location]
    recipients: Sequence[Recipient] = ()
    force: Sequence[str] = ()
    guarded: bool = True
    anew: Anew | None = None
    rehearse: Rehearse = Rehearsed


@dataclass(frozen=True)
class Passage:
    """A release that passed the gate."""

    encoded: bytes
    report: GateReport
    changes: tuple[Change, ...]
    guard: GuardView
    notes: tuple[str, ...]


def unjudged(content: Bundle) -> Passage:
    """For content that is current already, so that nothing has to be asked."""
    return Passage(encode(content), GateReport(), (), GuardView(ok=True, lines=()), ())


class Gatekeeper:
    """Asks every stage.

    Args:
        validator: the real Envoy; it remembers what it accepted.
        work_dir: private; Envoy's files during validation.
        taster: meets a release first; only `judge` needs one.
        recent: feature vectors of recent requests; blocks.
    """

    def __init__(
        self,
        validator: Validator,
        work_dir: Path,
        taster: Taster | None = None,
        clock: Clock | None = None,
        recent: Recent = list,
    ) -> None:
        self._validator = validator
        self._work_dir = work_dir
        self._taster = taster
        self._clock = clock or SystemClock()
        self._recent = recent
        self._parts = Parts()
        self._reader = Reader()
        self._counted: Remembered[Contents] = Remembered()

    async def judge(self, case: Case, say: Say) -> Passage:
        """Lead a release through all stages.

        Args:
            case: the release, and what is around it.
            say: told about each stage as it begins and ends.

        Raises:
            ReleaseRefusedError: by the first stage that refuses, with the report so far.
            UsageError: `force` names something that does not exist.
            UnreachableError: the work directory cannot be written.
        """
        begun = asyncio.Event()
        async with (
            beside(_after(begun, lambda: asyncio.to_thread(self._held, case))) as both,
            beside(self._taste(case, both, begun)) as tasting,
            beside(_after(begun, lambda: self.validate(case.new.snapshot))) as validation,
        ):
            await begun.wait()
            encoded = await asyncio.to_thread(encode, case.new)
            stages = Stages(self._clock, say, digest_of(encoded))
            held, _ = await both
            await self._limits(stages, case, held)
            await self._compatibility(stages, case, encoded)
            verdict = await self._guarded(stages, case)
            scored = await self._scored(stages, case)
            met = await self._rehearsed(stages, case)
            self._validated(stages, case, await _told(stages, GateStage.VALIDATE, validation))
            notes = self._tasted(stages, case, await _told(stages, GateStage.TASTER, tasting))
        return Passage(
            encoded=encoded,
            report=stages.report,
            changes=verdict.changes,
            guard=verdict.guard,
            notes=(*verdict.notes, *scored, *met, *notes),
        )

    def guard(
        self,
        old: Snapshot | None,
        new: Snapshot,
        force: Sequence[str],
        anew: Anew | None = None,
    ) -> Verdict:
        """Compare what serves with what shall serve; blocks.

        Too many changes may be those of an update of Seawall: then `anew` is asked.

        Raises:
            UsageError: `force` names something that does not exist.
        """
        before = None if old is None else self._contents(old)
        after = self._contents(new)
        named = [name for name in force if name not in _FORCED_HERE and not _is_digest(name)]
        try:
            report = guard(before, after, force=named)
            if report.changes_too_much and anew is not None and (again := anew()) is not None:
                report = guard(before, after, force=named, anew=contents(again))
        except UsageError as error:
            others = ", ".join(_FORCED_HERE)
            known = f"{error.remedy.rstrip('.')}, {others}, or a quarantined digest."
            raise UsageError(error.code, error.message, remedy=known) from error
        refusal = None
        try:
            report.require_passed()
        except RefusedError as error:
            refusal = error
        notes = tuple(f"Forced: {finding.text}." for finding in report.forced)
        return Verdict(diff(old, new), guard_view(report, after), refusal, notes)

    def changes(self, old: Snapshot | None, new: Snapshot) -> tuple[Change, ...]:
        """The difference in words; blocks."""
        return diff(old, new)

    def trust(self, snapshot: Snapshot) -> None:
        """See `Validator.trust`; blocks."""
        self._validator.trust(snapshot)

    async def expect(self, current: Snapshot) -> None:
        """A release after `current` will be judged soon; call `tidy` once it is told of."""
        if self._taster is not None:
            await self._taster.expect(current)

    async def tidy(self) -> None:
        """Remove what is left of a judgement; nobody waits for it."""
        if self._taster is not None:
            await self._taster.tidy()

    async def validate(self, snapshot: Snapshot) -> Validation:
        """Ask the real Envoy.

        Raises:
            UnreachableError: the work directory cannot be written.
        """
        report = await self._validator.validate(snapshot, work_dir=self._work_dir)
        try:
            report.require_accepted()
        except RefusedError as error:
            nacks = (Nack("", report.resource, report.owner, report.words),)
            refused = report.ending is Ending.REFUSED
            blames = refused or report.ending is Ending.CRASHED
            return Validation(error, nacks if refused else (), blames_content=blames)
        known = f", {report.clusters_known} accepted before" if report.clusters_known else ""
        return Validation(None, text=f"{report.clusters_checked} origin(s) read{known}")

    # --- The stages ------------------------------------------------------------------------------

    async def _limits(self, stages: Stages, case: Case, held: Contents) -> None:
        stages.begin(GateStage.LIMITS)
        try:
            lines = await asyncio.to_thread(self._parts.check, case.new, held)
        except RefusedError as error:
            raise stages.refuse(error) from error
        stages.passed(f"{len(case.new.snapshot.resources)} parts", lines)

    async def _compatibility(self, stages: Stages, case: Case, encoded: bytes) -> None:
        stages.begin(GateStage.COMPATIBILITY)

        def look() -> list[str]:
            features = self._parts.features(case.new.snapshot)
            return require_compatible(case.new, encoded, features, case.recipients)

        try:
            lines = await asyncio.to_thread(look)
        except RefusedError as error:
            raise stages.refuse(error) from error
        stages.passed(f"{len(case.recipients)} node(s)", lines)

    async def _guarded(self, stages: Stages, case: Case) -> Verdict:
        if not case.guarded:
            stages.begin(GateStage.GUARD)
            stages.skipped("this content is current already")
            return Verdict((), GuardView(ok=True, lines=()), None, ())
        stages.begin(GateStage.GUARD)
        old = case.old.snapshot if case.old is not None else None
        verdict = await asyncio.to_thread(self.guard, old, case.new.snapshot, case.force, case.anew)
        lines = [line.text for line in verdict.guard.lines]
        if verdict.refusal is not None:
            raise stages.refuse(verdict.refusal, lines, guard=verdict.guard)
        summary = f"{len(verdict.changes)} change(s)"
        if verdict.notes:
            stages.forced(summary, lines)
        else:
            stages.passed(summary, lines)
        return verdict

    async def _scored(self, stages: Stages, case: Case) -> tuple[str, ...]:
        stages.begin(GateStage.SCORES)
        if not case.guarded:
            stages.skipped("this content is current already")
            return ()
        old = case.old.snapshot if case.old is not None else None
        kind = case.new.kind
        found = await asyncio.to_thread(judge_scores, old, case.new.snapshot, kind, self._recent)
        return _weighed(stages, case, found, FORCE_SCORES, "the scores")

    async def _rehearsed(self, stages: Stages, case: Case) -> tuple[str, ...]:
        stages.begin(GateStage.CLIENTS)
        if not case.guarded or case.new.kind is Kind.SWITCH:
            stages.skipped("a kill switch" if case.guarded else "this content is current already")
            return ()
        found = judge_clients(await asyncio.to_thread(case.rehearse))
        return _weighed(stages, case, found, FORCE_CLIENTS, "clients that are turned away")

    def _validated(self, stages: Stages, case: Case, found: Validation) -> None:
        refusal = found.refusal
        if refusal is None:
            stages.passed(found.text)
            return
        views = tuple(envoy_refusal(nack, case.locations) for nack in found.nacks)
        if views:
            refusal = RefusedError(refusal.code, refusal_text(views), remedy=refusal.remedy)
        raise stages.refuse(refusal, envoy=views, blames_content=found.blames_content)

    def _tasted(self, stages: Stages, case: Case, found: TasteReport) -> tuple[str, ...]:
        refusal = found.refusal
        if refusal is None:
            stages.passed(found.summary, found.lines)
            return ()
        if FORCE_TASTER in case.force:
            stages.forced(found.summary, found.lines)
            return (f"Forced past the taster: {refusal.text}",)
        error = RefusedError(refusal.code, refusal.text, remedy=refusal.remedy)
        raise stages.refuse(error, found.lines, blames_content=refusal.blames_content)

    async def _taste(
        self,
        case: Case,
        both: Awaitable[tuple[Contents, Contents | None]],
        begun: asyncio.Event,
    ) -> TasteReport:
        if self._taster is None:
            begun.set()
            raise InternalError(
                "gate-without-taster", "The gate was asked to judge without a taster."
            )
        old = case.old.snapshot if case.old is not None else None

        async def change() -> Changed:
            held, before = await both
            alone = await asyncio.to_thread(sites_alone, old, case.new.snapshot)
            return replace(changed(before, held), alone=alone)

        order = Order(
            *(case.new.snapshot, old, change, case.new.golden),
            switch=case.new.kind is Kind.SWITCH,
            begun=begun.set,
        )
        try:
            return await self._taster.taste(order)
        finally:
            begun.set()  # also when it could not: nobody shall wait for it

    def _held(self, case: Case) -> tuple[Contents, Contents | None]:
        before = None if case.old is None else self._contents(case.old.snapshot)
        return self._contents(case.new.snapshot), before

    def _contents(self, snapshot: Snapshot) -> Contents:
        if (found := self._counted.of(snapshot)) is None:
            found = self._reader.contents(snapshot)
            self._counted.keep(snapshot, found)
        return found


async def _after(begun: asyncio.Event, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Nothing of Python shall delay what the process is told that the gate waits for at last."""
    await begun.wait()
    return await work()


async def _told(stages: Stages, stage: GateStage, work: "asyncio.Task[ResultT]") -> ResultT:
    """The result of a stage that began long ago; only now it is its turn."""
    stages.begin(stage)
    return await work


def _weighed(
    stages: Stages, case: Case, found: StageFinding, force: str, past: str
) -> tuple[str, ...]:
    """End a stage that somebody may let pass by the name `force`; what is noted of it."""
    if found.refusal is None:
        stages.passed(found.summary, found.lines)
        return found.notes
    if not (found.forcible and force in case.force):
        raise stages.refuse(found.refusal, found.lines, blames_content=not found.forcible)
    stages.forced(found.summary, found.lines)
    return (*found.notes, f"Forced past {past}: {found.refusal.message}")


def _is_digest(name: str) -> bool:
    return set(name) <= _HEX
