"""A stored release on its way through the fleet, for whoever waits for it: step by step, in words.

The planner decides and the nodes act; this only follows. It turns the events of the history into
progress, and the end of a rollout into success or a refusal with a place in the site file. It
returns when every node has committed; the release goes on baking by itself.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from seawall import limits
from seawall.api import refusals
from seawall.api.going_back import certificates_again, idle_force
from seawall.api.present import envoy_refusal, refusal_text
from seawall.api.progress import Flow, ReleaseRefusedError
from seawall.api.releases import bundle_of, nothing_new, release_view
from seawall.api.rollouts import Rollouts
from seawall.api.roster import Roster
from seawall.api.views import Applied, Stage
from seawall.api.work import Places
from seawall.clock import Clock
from seawall.errors import SeawallError
from seawall.ids import ReleaseId
from seawall.model import DEFAULT_POLICY
from seawall.model.rollout import WithoutTraffic
from seawall.release.bundle import Bundle
from seawall.release.release import ReleaseRecord
from seawall.release.store import Store
from seawall.rollout import state
from seawall.rollout.going import LOST
from seawall.rollout.ports import NodeReport
from seawall.rollout.state import TASTE, Event, Speed
from seawall.rollout.words import step_text
from seawall.site.problem import Location

_NOWHERE: Final[Places] = MappingProxyType({})
_POLL_S: Final = 1.0
STAYS: Final = frozenset({"held", "paused"})
"""Codes of what ends the watching of a release, but not the release."""


class Follower:
    """Follows releases, and goes back to earlier ones."""

    def __init__(self, store: Store, rollouts: Rollouts, roster: Roster, clock: Clock) -> None:
        self._store = store
        self._rollouts = rollouts
        self._roster = roster
        self._clock = clock

    @property
    def under_way(self) -> str:
        """What nodes are being moved to, in words; empty when nothing is."""
        moving = self._moving()
        return "" if moving is None else f"{moving.actor} is rolling out {moving.release}"

    def in_the_way(self, speed: Speed) -> str:
        """What a release of this speed has to wait for."""
        moving = self._moving()
        waits = {
            Speed.CONFIG: {Speed.CONFIG, Speed.SWITCH},
            Speed.FEED: set[Speed](),
            Speed.SWITCH: {Speed.SWITCH},
        }
        return self.under_way if moving is not None and moving.speed in waits[speed] else ""

    def _moving(self) -> state.Rollout | None:
        fleet = self._rollouts.fleet
        running = fleet.running or next(iter(fleet.waiting), None)
        return None if running is None or running.stage is state.Stage.BAKING else running

    async def watch(
        self, flow: Flow, started: state.Rollout, record: ReleaseRecord, places: Places = _NOWHERE
    ) -> int:
        """Return the generation when every node has committed; it goes on baking by itself.

        Raises:
            ReleaseRefusedError: it was withdrawn, aborted or replaced, or it is held.
            UnreachableError: no node served it in good time.
        """
        teller = _Teller(flow, started)
        executor = self._rollouts.executor
        said = executor.said
        end_s = self._clock.monotonic_s() + limits.APPLY_SERVE_TIMEOUT_S
        while True:
            events = executor.said_after(said)
            for said, event in events:  # noqa: B007 - the last number is where we go on
                teller.tell(event)
            now = await self._rollouts.rollout(started.number)
            if now.ended and now.stage is not state.Stage.DONE:
                raise self._withdrawn(now, record, places)
            if now.stage in {state.Stage.BAKING, state.Stage.DONE} and self._served(record.id):
                return teller.serves(now, self._rollouts.fleet.generation)
            if now.paused is not None or teller.held_for_good(now.held, self._clock.monotonic_s()):
                raise refusals.held_or_paused(now)
            if now.stage is state.Stage.BAKING and self._clock.monotonic_s() > end_s:
                raise refusals.silent_node(record.id)
            teller.queues(now, self._rollouts.fleet.running)
            if not teller.stands_still(self._rollouts.trouble):
                teller.waits(now, self._rollouts.executor.findings, self._clock.now_s())
            if now.stage is not state.Stage.BAKING:
                end_s = self._clock.monotonic_s() + limits.APPLY_SERVE_TIMEOUT_S
            await self._rollouts.changed(_POLL_S)

    def _served(self, release: ReleaseId) -> bool:
        """Whether a node serves it that was told to."""
        fleet, inventory = self._rollouts.fleet, self._rollouts.inventory()
        for name, assigned in fleet.assigned.items():
            report = inventory.report(name)
            if report is not None and assigned.release == report.release == release:
                return True
        return False

    def _withdrawn(
        self, now: state.Rollout, record: ReleaseRecord, places: Places
    ) -> ReleaseRefusedError:
        target = self._rollouts.fleet.target
        serves = f"{target.release if target else 'Nothing'} serves."
        report = self._roster.refusal(record.digest)
        if now.stage is state.Stage.ROLLED_BACK and report is not None:
            return _rejected(record, report, places, now.outcome, serves)
        code, remedy = refusals.ending(now.stage, record)
        words = f"{record.id} was withdrawn: {now.outcome.rstrip('.')}."
        return ReleaseRefusedError(code, words, remedy=f"{serves} {remedy}", release=record.id)

    # --- Going back ------------------------------------------------------------------------------

    async def back(
        self,
        flow: Flow,
        release: ReleaseId | None,
        *,
        author: str,
        message: str,
        force: tuple[str, ...],
        on_its_way: Callable[[], None],
        break_glass: bool = False,
    ) -> None:
        """Serve an earlier release again: at once when it was good before, else step by step.

        Without a name, or with that of the current one, a release that is on its way is withdrawn.
        `on_its_way` is called when its rollout has begun, which others may take the place of.

        Raises:
            NotFoundError: no such release, or none to go back to.
            RefusedError: it is quarantined, or serves a certificate that has ended, and is not
                forced, or its content is damaged.
            SeawallError: as `Rollouts.start` and `watch`.
        """
        flow.started("check")
        current = self._roster.current
        moving = self._moving()
        # One that skips its steps is current from its beginning: by its name it is meant to stay.
        meant = moving is not None and moving.release == release
        if current is not None and release in {None, current.id} and moving and not meant:
            withdrawn = (await self._rollouts.abort(author, message)).release
            self._stays(flow, self._roster.current or current, withdrawn)
            return
        target = await asyncio.to_thread(self._target, self._named(release, current), current)
        forced = bool(target.quarantined) and refusals.forces(force, target.digest)
        if target.quarantined and not forced:
            raise refusals.quarantined(target.id, target.quarantined, target.digest)
        if current is not None and target.id == current.id:
            flow.end(self._outcome(flow, target, current, None))
            return
        bundle = await asyncio.to_thread(bundle_of, self._store, target)
        notes = idle_force(force)
        notes += await asyncio.to_thread(self._certificates, target, bundle, current, force)
        flow.done("check", f"back to {target.id}")
        self._roster.forget_refusal(target.digest)
        flow.started("assign")
        started = await self._rollouts.start(
            target,
            bundle.policy or DEFAULT_POLICY,
            actor=author,
            reason=message,
            onto=current.id if current else None,
            break_glass=break_glass,
            forced=forced,
        )
        flow.done("assign", f"rollout {started.number}")
        on_its_way()
        if message:
            await self._say_why(author, target.id, message)
        generation = await self.watch(flow, started, target)
        flow.end(replace(self._outcome(flow, target, current, generation), notes=notes))

    def _stays(self, flow: Flow, current: ReleaseRecord, withdrawn: str) -> None:
        flow.done("check", f"{withdrawn} was withdrawn, {current.id} stays")
        flow.end(self._outcome(flow, current, current, None, withdrawn=withdrawn))

    async def _say_why(self, author: str, release: ReleaseId, message: str) -> None:
        add = self._store.audit.add
        say = {"actor": author, "action": "rollback-reason", "subject": release, "detail": message}
        await asyncio.to_thread(add, **say)

    def _certificates(
        self,
        target: ReleaseRecord,
        bundle: Bundle,
        current: ReleaseRecord | None,
        force: tuple[str, ...],
    ) -> tuple[str, ...]:
        try:
            serving = None if current is None else bundle_of(self._store, current)
        except SeawallError:  # a damaged release is no reason to keep it
            serving = None
        if current is None or serving is None:
            return ()
        back, today = (target.id, bundle.snapshot), (current.id, serving.snapshot)
        return certificates_again(back, today, self._clock.now_s(), force)

    def _named(self, release: ReleaseId | None, current: ReleaseRecord | None) -> ReleaseId | None:
        """`release`; where nodes keep what this store has forgotten it must be one to go to."""
        kept = self._roster.kept
        if kept is not None and current is not None and release in {None, current.id}:
            raise refusals.kept(kept, current.id)
        return release

    def _target(self, release: ReleaseId | None, current: ReleaseRecord | None) -> ReleaseRecord:
        if release is not None:
            return self._store.get(release)
        if current is None:
            raise refusals.nothing_before("there is no release yet")
        older = [
            record
            for record in self._roster.before(current)
            if not record.quarantined and record.digest != current.digest
        ]
        known_good = (record for record in older if self._roster.good(record.id))
        target = next(known_good, older[0] if older else None)
        if target is None:
            raise refusals.nothing_before(f"no release before {current.id} can serve")
        return target

    def _outcome(
        self,
        flow: Flow,
        target: ReleaseRecord,
        current: ReleaseRecord | None,
        generation: int | None,
        *,
        withdrawn: str = "",
    ) -> Applied:
        note = nothing_new(target, self._roster, "is already current")
        if withdrawn:
            note = f"To go back further than {target.id}, run `seawall rollback` again."
        return Applied(
            release=release_view(target, self._roster.current, self._roster.reports()),
            changed=generation is not None,
            dry_run=False,
            previous=current.id if current else None,
            elapsed_s=flow.elapsed_s,
            notes=() if generation is not None else (note,),
            node_generation=generation or self._roster.fleet.generation,
            withdrawn=withdrawn,
        )


class _Teller:
    """Events of one rollout as the stages of a flow."""

    def __init__(self, flow: Flow, started: state.Rollout) -> None:
        self._flow = flow
        self._number = started.number
        self._prefix = f"{started.release}: "
        self._said_s = -math.inf
        self._queued_behind = ""
        self._lost_s: float | None = None
        flow.started("fetch")

    def tell(self, event: Event) -> None:
        """One sentence of the history."""
        if event.rollout != self._number:
            return
        text = event.text.removeprefix(self._prefix)
        match event.code:
            case "wave":
                self._begin("taste", text)
            case "step":
                self._begin("canary", text)
            case "passed" if self._flow.stage in {"taste", "canary"}:
                self._flow.done(self._flow.stage, text)
            case "commit":
                self._begin("commit", text)
            case "committed":
                self._begin("commit", "")
                self._flow.done("commit", "Envoy acknowledged every resource")
                self._flow.started("serve", text)
            case "aside" | "held" | "goes-on" | "paused" | "resumed":
                self._flow.started(self._flow.stage, text)
            case _:
                pass

    def held_for_good(self, held: state.Hold | None, monotonic_s: float) -> bool:
        """Whether a person must see to it; a node that is restarted is back in seconds."""
        if held is None or held.code != LOST:
            self._lost_s = None
            return held is not None
        self._lost_s = monotonic_s if self._lost_s is None else self._lost_s
        return monotonic_s - self._lost_s > limits.APPLY_LOST_PATIENCE_S

    def queues(self, now: state.Rollout, before: state.Rollout | None) -> None:
        """Once, what must end before it begins."""
        if now.stage is not state.Stage.QUEUED or before is None or self._queued_behind:
            return
        self._queued_behind = before.release
        baked = f"last known good, {before.policy.bake_s:.0f} s after it began to serve"
        there = baked if before.stage is state.Stage.BAKING else "brought out"
        self._flow.goes_on(f"waits until {before.release} is {there}")

    def stands_still(self, trouble: SeawallError | None) -> bool:
        """Once in a while, why nothing goes on; whether there is such a reason."""
        if trouble is not None and self._flow.elapsed_s - self._said_s >= limits.APPLY_WAITS_S:
            self._said_s = self._flow.elapsed_s
            self._flow.goes_on(f"makes no progress and keeps retrying: {trouble.message}")
        return trouble is not None

    def waits(self, now: state.Rollout, found: state.Findings, now_s: float) -> None:
        """Once in a while, what a step with clients waits for, how long at most, and what then."""
        if now.stage is not state.Stage.CANARY or found.step_generation != now.step_generation:
            return
        if self._flow.elapsed_s - self._said_s < limits.APPLY_WAITS_S or not found.verdict.text:
            return
        self._said_s = self._flow.elapsed_s
        step = now.policy.steps[now.step - 1]
        then = "golden requests decide"
        if found.suspicion or now.policy.without_traffic is WithoutTraffic.HOLD:
            then = "a person must decide"
        words = f"{step_text(now)}, {now_s - now.step_started_s:.0f} s"
        words += f" of at most {step.deadline_s:.0f} s, then {then}: {found.verdict.text}"
        self._flow.goes_on(words)

    def serves(self, now: state.Rollout, generation: int) -> int:
        """The end: every node that could has it."""
        self._begin("serve", "")
        self._flow.done("serve", f"{now.release} serves{_basis(now)}")
        bake_s = now.policy.bake_s
        self._flow.started("bake", f"last known good after {bake_s:.0f} s")
        return generation

    def _begin(self, stage: Stage, text: str) -> None:
        if self._flow.stage == "fetch" != stage:
            behind = self._queued_behind
            self._flow.done("fetch", f"after {behind}" if behind else "")
        if self._flow.stage == stage and not text:
            return
        self._flow.started(stage, text)


def _basis(now: state.Rollout) -> str:
    """On what evidence it was promoted, where that is less than requests."""
    if now.straight is not None:
        return {
            state.Basis.FIRST: "; the first release, so there were no steps",
            state.Basis.KNOWN_GOOD: "; it was good before, so there were no steps",
        }.get(now.straight, "; break-glass: every step was skipped")
    weak = {
        state.Basis.PROBES: "on golden requests alone",
        state.Basis.UNTRIED: "without a trial, because the nodes cannot run one",
        state.Basis.PERSON: "by a person without evidence",
    }
    steps = [passed for passed in now.passed if passed.step != TASTE]
    found = dict.fromkeys(weak[passed.basis] for passed in steps if passed.basis in weak)
    some = "some steps " if any(p.basis is state.Basis.HEALTHY for p in steps) else ""
    return f"; {some}promoted {', '.join(found)}" if found else ""


def _rejected(
    record: ReleaseRecord, report: NodeReport, places: Places, outcome: str, serves: str
) -> ReleaseRefusedError:
    locations = {subject: Location(*place) for subject, place in places.items()}
    nacks = report.nacks or (report.trial.nacks if report.trial is not None else ())
    views = tuple(envoy_refusal(nack, locations) for nack in nacks)
    return ReleaseRefusedError(
        "node-rejected",
        refusal_text(views) if views else outcome or "The node rejected the release.",
        remedy=f"{serves} Fix the cause and apply again.",
        envoy=views,
        release=record.id,
    )
