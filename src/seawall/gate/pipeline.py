"""The gate: the stages a snapshot must pass before it is released, cheapest first.

It decides the order and stops at the first refusal; what each stage refuses is the stage's own
business. A refusal is a report, not an exception, so that it can be shown and kept.
"""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from seawall.clock import Clock
from seawall.compiler.check import check
from seawall.compiler.contents import Contents, contents
from seawall.compiler.snapshot import Snapshot
from seawall.errors import SeawallError
from seawall.gate.report import GateReport, Stage, StageName, refused_stage
from seawall.gate.validate import Validator
from seawall.release.guard import DEFAULT_BOUNDS, GuardBounds, GuardReport, guard


async def run_gate(
    old: Snapshot | None,
    new: Snapshot,
    *,
    force: Collection[str] = (),
    validator: Validator,
    work_dir: Path,
    clock: Clock,
    bounds: GuardBounds = DEFAULT_BOUNDS,
) -> GateReport:
    """Let `new` through, or say why not.

    Args:
        old: what is released now; None for the first release.
        new: what shall be released.
        force: names such as `routes-removed` for which the mass-change guard gives way.
        validator: the real Envoy; keep one for the life of the process.
        work_dir: a private directory for Envoy's runs.
        clock: for durations.
        bounds: of the mass-change guard.

    Raises:
        UsageError: `force` names something that does not exist.
        UnreachableError: `work_dir` cannot be written.
    """
    start_s = clock.monotonic_s()
    try:
        await asyncio.to_thread(check, new)
    except SeawallError as error:
        return GateReport((refused_stage(StageName.CHECK, error, clock.monotonic_s() - start_s),))
    checked = Stage(
        StageName.CHECK,
        passed=True,
        duration_s=clock.monotonic_s() - start_s,
        words=f"{len(new.resources)} resources, every reference whole",
    )
    start_s = clock.monotonic_s()
    guarded = await asyncio.to_thread(_guard, old, new, bounds, force)
    guard_stage = _guard_stage(guarded, clock.monotonic_s() - start_s)
    report = GateReport(
        (checked, guard_stage), forced=tuple(finding.text for finding in guarded.forced)
    )
    if not guard_stage.passed:
        return report
    return replace(report, stages=(*report.stages, await _validate_stage(new, validator, work_dir)))


def _guard(
    old: Snapshot | None, new: Snapshot, bounds: GuardBounds, force: Collection[str]
) -> GuardReport:
    before = _contents(old) if old is not None else None
    return guard(before, _contents(new), bounds, force=force)


@lru_cache(maxsize=2)
def _contents(snapshot: Snapshot) -> Contents:
    """What is released now was new the last time: it need not be taken apart again."""
    return contents(snapshot)


def _guard_stage(report: GuardReport, duration_s: float) -> Stage:
    try:
        report.require_passed()
    except SeawallError as error:
        return refused_stage(StageName.GUARD, error, duration_s)
    words = "; ".join(finding.text for finding in report.findings) or "nothing removed or changed"
    return Stage(StageName.GUARD, passed=True, duration_s=duration_s, words=words)


async def _validate_stage(snapshot: Snapshot, validator: Validator, work_dir: Path) -> Stage:
    report = await validator.validate(snapshot, work_dir=work_dir)
    try:
        report.require_accepted()
    except SeawallError as error:
        stage = refused_stage(StageName.VALIDATE, error, report.duration_s)
        return replace(stage, owner=report.owner)
    words = f"Envoy accepts it; {report.clusters_checked} origins read"
    if report.clusters_known:
        words += f", {report.clusters_known} accepted before"
    return Stage(StageName.VALIDATE, passed=True, duration_s=report.duration_s, words=words)
