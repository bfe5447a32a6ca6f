"""The progress of one apply or rollback, between the task that does it and whoever reads it.

The task never waits for a reader: a reader that is slow or gone loses progress lines, never the
release. The last event, `Applied` or `Refused`, is always kept for a reader that is still there.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from seawall import limits
from seawall.api.present import gate_views
from seawall.api.views import (
    Applied,
    ApplyEvent,
    EnvoyRefusalView,
    GateStepView,
    GuardView,
    ProblemView,
    Progress,
    Refused,
    Stage,
)
from seawall.clock import Clock
from seawall.errors import RefusedError, SeawallError
from seawall.gate.report import GateReport


class Flow:
    """One operation from its beginning to its last event.

    Attributes:
        dry_run: nothing is to be changed by it.
    """

    def __init__(self, clock: Clock, *, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._queue: asyncio.Queue[ApplyEvent] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._stage_began_s = 0.0
        self.steps: list[GateStepView] = []
        self.stage: Stage = "check"
        self.outcome: Applied | Refused | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the operation began."""
        return round(self._clock.monotonic_s() - self._began_s, 6)

    def step(self, state: str, stage: Stage, text: str) -> None:
        """A step of somebody else's: `started`, `goes-on` or `done`."""
        if state == "done":
            self.done(stage, text)
        elif state == "goes-on":
            self.goes_on(text)
        elif stage != self.stage:
            self.started(stage, text)

    def started(self, stage: Stage, text: str = "") -> None:
        """A step begins; a refusal from now on belongs to it."""
        self.stage = stage
        self._stage_began_s = self.elapsed_s
        self._say(Progress(stage, "started", text, self.elapsed_s))

    def goes_on(self, text: str) -> None:
        """The step that runs goes on; `text` says what it waits for."""
        self._say(Progress(self.stage, "started", text, self.elapsed_s))

    def done(self, stage: Stage, text: str = "") -> None:
        """A step ended well."""
        duration_s = round(self.elapsed_s - self._stage_began_s, 6)
        self.steps.append(GateStepView(stage, text, duration_s))
        self._say(Progress(stage, "done", text, self.elapsed_s))

    def passes_on(self, event: Progress) -> None:
        """A step of another operation that is part of this one."""
        self.stage = event.stage
        self._say(replace(event, elapsed_s=self.elapsed_s))

    def refuse(self, error: SeawallError, *, serving: str | None) -> None:
        """End with a refusal at the step that began last."""
        self.end(self.refusal(error, serving=serving))

    def refusal(self, error: SeawallError, *, serving: str | None) -> Refused:
        """A refusal at the step that began last."""
        found = error if isinstance(error, ReleaseRefusedError) else None
        return Refused(
            stage=self.stage,
            code=error.code,
            message=error.message,
            remedy=error.remedy,
            elapsed_s=self.elapsed_s,
            problems=found.problems if found else (),
            guard=found.guard if found else None,
            envoy=found.envoy if found else (),
            release=found.release if found else None,
            serving=serving,
            gate=gate_views(found.report) if found else (),
        )

    def end(self, outcome: Applied | Refused) -> None:
        """The last event; later ones are ignored."""
        if self.outcome is not None:
            return
        if isinstance(outcome, Refused):
            self._say(Progress(outcome.stage, "failed", outcome.message, self.elapsed_s))
        self.outcome = outcome
        self._queue.put_nowait(outcome)
        self._ended.set()

    async def events(self) -> AsyncIterator[ApplyEvent]:
        """Every event, for one reader; ends after the last.

        A step that takes long is told again, so that the reader knows that somebody is there.
        """
        text = ""
        while True:
            try:
                async with asyncio.timeout(limits.APPLY_SILENCE_S):
                    event = await self._queue.get()
            except TimeoutError:
                yield Progress(self.stage, "started", text, self.elapsed_s)
                continue
            yield event
            if not isinstance(event, Progress):
                return
            text = event.text if event.state == "started" else ""

    async def wait(self) -> Applied | Refused:
        """The outcome, for who does not care about progress."""
        await self._ended.wait()
        assert self.outcome is not None  # noqa: S101 - for the type checker; set before the event
        return self.outcome

    def _say(self, event: Progress) -> None:
        if self._queue.qsize() < limits.APPLY_EVENTS_QUEUED_MAX:
            self._queue.put_nowait(event)


class ReleaseRefusedError(RefusedError):
    """A release was refused at a step, with what the step found.

    Args:
        code: see `SeawallError`.
        message: see `SeawallError`.
        remedy: see `SeawallError`.
        problems: of the site file.
        guard: the arithmetic of the mass-change guard.
        envoy: Envoy's words, led back to the site file.
        release: the release that was made and then refused by a node.
        report: what the gate went through until it refused.
        digest: of the content that the gate refused; empty when it was not known yet.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        remedy: str,
        problems: tuple[ProblemView, ...] = (),
        guard: GuardView | None = None,
        envoy: tuple[EnvoyRefusalView, ...] = (),
        release: str | None = None,
        report: GateReport | None = None,
        digest: str = "",
    ) -> None:
        super().__init__(code, message, remedy=remedy)
        self.problems = problems
        self.guard = guard
        self.envoy = envoy
        self.release = release
        self.report = report
        self.digest = digest

    @property
    def blamed(self) -> str:
        """The digest to quarantine: of content that Envoy or the taster found to be harmful."""
        refusal = self.report.refusal if self.report is not None else None
        return self.digest if refusal is not None and refusal.blames_content else ""
