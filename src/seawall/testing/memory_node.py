"""An honest node without Envoy: it does with a release all that a node does but serve it.

It pulls like the real agent, over any `ControlPort`, checks signature, digest and consistency of
what it fetched, refuses to go back a generation, and reports each phase. `refuse` stands for
Envoy: it may answer a snapshot with refusals. It bakes at once unless told otherwise. With
`trials` it tries releases beside the one that serves, and answers golden requests alike.
"""

import asyncio
from collections.abc import Callable

from seawall.compiler.check import check
from seawall.compiler.snapshot import Snapshot
from seawall.errors import SeawallError, UnreachableError, invariant
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.release.envelope import open_envelope
from seawall.release.signing import PublicKey
from seawall.rollout.ports import (
    LEVEL_TRIALS,
    Assignment,
    ControlPort,
    EnvoyState,
    Nack,
    NodeReport,
    Phase,
    Probes,
    Steering,
    Trial,
    TrialPhase,
    TrialReport,
)
from seawall.telemetry.window import Window

_WAIT_S = 20.0
_RETRY_S = 0.01

Refuse = Callable[[Snapshot], tuple[Nack, ...]]


def accept(_: Snapshot) -> tuple[Nack, ...]:
    """Refuse nothing."""
    return ()


class MemoryNode:
    """Run it as a task; what it serves is in `serving` and `snapshot`.

    Args:
        public_key: the only signer it trusts.
        refuse: what Envoy would refuse of a snapshot.
        trials: whether it can try a release beside the one that serves.

    Attributes:
        tried: releases and shares that it was told to try, in order.
        trial: what it says of its trial now.
        life: name of its process; empty as an older agent's.
        bakes: off keeps every release baking.
    """

    def __init__(
        self,
        control: ControlPort,
        public_key: PublicKey,
        *,
        refuse: Refuse = accept,
        name: str = "local",
        trials: bool = False,
    ) -> None:
        self._control = control
        self._public_key = public_key
        self.name = NodeName(name)
        self.bakes = True
        self._trials = trials
        self._good: tuple[tuple[ReleaseId, Digest], ...] = ()
        self._not_taken = ""
        self._nacks: tuple[Nack, ...] = ()
        self.refuse = refuse
        self.generation = Generation(0)
        self.serving: ReleaseId | None = None
        self.digest: Digest | None = None
        self.snapshot: Snapshot | None = None
        self.history: list[ReleaseId] = []
        self.notices: tuple[str, ...] = ()
        self.tried: list[tuple[ReleaseId, int]] = []
        self.trial: TrialReport | None = None
        self.life = ""

    async def run(self) -> None:
        """Follow control until cancelled."""
        while True:
            try:
                await self._stands()
                while True:
                    assignment = await self._control.assignment(self.name, self.generation, _WAIT_S)
                    if isinstance(assignment, Assignment):
                        await self._take(assignment)
            except UnreachableError:
                await asyncio.sleep(_RETRY_S)

    async def say(self, *windows: Window) -> None:
        """Report as things stand, with `windows`."""
        await self._stands(windows)

    async def _stands(self, windows: tuple[Window, ...] = ()) -> None:
        """What was not taken is said until something else is to be taken: a report may be lost."""
        phase = Phase.REJECTED if self._not_taken else Phase.GOOD
        await self._report(phase, message=self._not_taken, nacks=self._nacks, windows=windows)

    async def _take(self, assignment: Assignment) -> None:
        invariant(assignment.generation > self.generation, "a generation never falls")
        generation = assignment.generation
        self.trial = None
        self._not_taken, self._nacks = "", ()
        if self._trials and assignment.release == self.serving:
            self.generation = generation
            if assignment.trial is not None:
                await self._try(assignment.trial)
            else:
                await self._report(self._phase())
            return
        await self._report(Phase.FETCHING, generation)
        try:
            envelope = await self._control.bundle(assignment.digest)
            record, bundle = open_envelope(envelope, self._public_key)
            invariant(record.digest == assignment.digest, "the bundle is the assigned one")
            check(bundle.snapshot)
        except UnreachableError:
            raise
        except SeawallError as error:
            self.generation = generation
            self._not_taken = f"was not taken: {error.message}"
            await self._stands()
            return
        await self._report(Phase.COMMITTING, generation)
        nacks = self.refuse(bundle.snapshot)
        self.generation = generation
        if nacks:
            self._not_taken = f"{assignment.release} was not taken: Envoy refused it: "
            self._not_taken += nacks[0].envoy_words
            self._nacks = nacks
            await self._stands()
            return
        self.serving, self.digest = assignment.release, assignment.digest
        self.snapshot = bundle.snapshot
        self.history.append(assignment.release)
        await self._report(Phase.BAKING)
        if self.bakes:
            self.baked()
            await self._report(Phase.GOOD)

    def baked(self) -> None:
        """What serves is last known good from now on."""
        if self.serving is not None and self.digest is not None:
            kept = (good for good in self._good if good[1] != self.digest)
            self._good = ((self.serving, self.digest), *kept)[:4]

    async def _try(self, trial: Trial) -> None:
        """Fetch, check, ask `refuse`, and say that golden requests were answered alike."""
        self.tried.append((trial.release, trial.share_permille))
        self.trial = TrialReport(trial.release, trial.digest, TrialPhase.STARTING)
        await self._report(self._phase())
        envelope = await self._control.bundle(trial.digest)
        record, bundle = open_envelope(envelope, self._public_key)
        invariant(record.digest == trial.digest, "the bundle is the one to try")
        check(bundle.snapshot)
        nacks = self.refuse(bundle.snapshot)
        if nacks:
            words = f"Envoy refused it: {nacks[0].envoy_words}"
            phase, share = TrialPhase.FAILED, 0
        else:
            words, share = "", trial.share_permille
            phase = TrialPhase.STEERED if share else TrialPhase.TASTED
        self.trial = TrialReport(
            trial.release,
            trial.digest,
            phase,
            share_permille=share,
            message=words,
            nacks=nacks,
            probes=Probes(asked=3),
            baseline=trial.baseline,
        )
        await self._report(self._phase())

    def _phase(self) -> Phase:
        good = any(digest == self.digest for _, digest in self._good)
        return Phase.GOOD if good else Phase.BAKING

    async def _report(
        self,
        phase: Phase,
        generation: Generation | None = None,
        *,
        message: str = "",
        nacks: tuple[Nack, ...] = (),
        windows: tuple[Window, ...] = (),
    ) -> None:
        await self._control.report(
            NodeReport(
                node=self.name,
                generation=self.generation if generation is None else generation,
                release=self.serving,
                digest=self.digest,
                phase=phase,
                message=message,
                nacks=nacks,
                envoy=EnvoyState(1, "1.40.0", 1.0, 0, live=True, memory_bytes=1),
                last_known_good=tuple(release for release, _ in self._good),
                good_digests=tuple(digest for _, digest in self._good),
                windows=windows,
                notices=self.notices,
                trial=self.trial,
                steering=Steering.KERNEL if self._trials else Steering.NONE,
                level=LEVEL_TRIALS if self._trials else 0,
                life=self.life,
            )
        )
