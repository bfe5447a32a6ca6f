"""One trial as `course` knows it: how far it is, what its next operation is, what ends it.

Pure, a part of the machine of `course`: it says why a candidate must go, and never withdraws it.
"""

from dataclasses import dataclass, field, replace

from seawall.ids import Generation
from seawall.judge.verdict import Unhealthy
from seawall.limits import (
    MIB,
    TRIAL_MEMORY_EXTRA_BYTES_MAX,
    TRIAL_MEMORY_FACTOR_MAX,
    TRIAL_UNANSWERED_MAX,
)
from seawall.node import moves
from seawall.node.state import FailedTrial, Served
from seawall.rollout.ports import Nack, Probes, Trial, TrialPhase, TrialReport


@dataclass(frozen=True, slots=True)
class Candidacy:
    """A trial on this node.

    Attributes:
        want: as assigned last.
        generation: of that assignment.
        due_s: of the taste.
        fetched: its bundle is here.
        opened: its public ports are bound.
        steered_permille: the share asked for last.
        share_permille: what is really in effect.
        step: generation and share that windows and golden requests count for now.
        failure: why it must go, or has gone.
        hung: it does not answer.
        gone: withdrawn after a failure, and kept only to be told of.
    """

    want: Trial
    generation: Generation
    due_s: float
    phase: TrialPhase = TrialPhase.STARTING
    fetched: bool = False
    opened: bool = False
    steered_permille: int = 0
    share_permille: int = 0
    step: tuple[Generation, int] | None = None
    baseline: bool = False
    probes: Probes = field(default_factory=Probes)
    verdict: str = ""
    restarts: int = 0
    nacks: tuple[Nack, ...] = ()
    failure: FailedTrial | None = None
    hung: bool = False
    gone: bool = False

    @property
    def served(self) -> Served:
        """The candidate's release with the generation of the step."""
        return Served(self.want.release, self.want.digest, self.generation)

    @property
    def active(self) -> bool:
        """Whether it still goes on."""
        return self.failure is None

    @property
    def taste_due_s(self) -> float | None:
        """When the taste must be over; None once it is."""
        return self.due_s if self.phase in (TrialPhase.STARTING, TrialPhase.TASTING) else None

    def after(self, operation: moves.Operation, event: moves.Done) -> "Candidacy":
        """The state after an operation that ended well."""
        match operation:
            case moves.Fetch():
                return replace(self, fetched=True)
            case moves.Start(baseline=wanted):
                baseline = wanted and event.baseline
                return replace(self, phase=TrialPhase.TASTING, baseline=baseline)
            case moves.Open():
                return replace(self, opened=True)
            case moves.Steer(_, asked):
                phase = TrialPhase.STEERED if asked else TrialPhase.TASTED
                share = event.share_permille
                return replace(self, phase=phase, steered_permille=asked, share_permille=share)
            case _:
                return self

    def next_step(self) -> moves.Watch | None:
        """A step that begins now; None while it has begun already, or cannot yet."""
        step = (self.generation, self.steered_permille)
        if self.phase is TrialPhase.STARTING or self.step == step:
            return None
        if self.phase is not TrialPhase.TASTING and self.want.share_permille != step[1]:
            return None
        return moves.Watch(self.served, *step)

    def stepped(self, step: moves.Watch) -> "Candidacy":
        """The state at the beginning of a step."""
        return replace(self, step=(step.generation, step.share_permille), probes=Probes())

    def next_operation(self, ticket: int) -> moves.Operation | None:
        """What leads on to what is wanted; None while there is nothing to do but watch."""
        if not self.fetched:
            return moves.Fetch(ticket, self.served, trial=True)
        if self.phase is TrialPhase.STARTING:
            return moves.Start(ticket, self.served, self.want.baseline)
        if self.phase is TrialPhase.TASTING or self.want.share_permille == self.steered_permille:
            return None
        if not self.opened:
            return moves.Open(ticket)
        return moves.Steer(ticket, self.want.share_permille)

    def watched(
        self, event: moves.Probed | moves.Unanswered | moves.Weighed | moves.Judged
    ) -> tuple["Candidacy", str]:
        """The state after a look at the candidate, and why it must go; empty when it need not."""
        match event:
            case moves.Probed():
                return self._probed(event)
            case moves.Unanswered(count) if count >= TRIAL_UNANSWERED_MAX:
                return replace(
                    self, hung=True
                ), f"the candidate did not answer {count} times in a row"
            case moves.Weighed(candidate, stable) if candidate > memory_max_bytes(stable):
                return self, (
                    f"the candidate uses {candidate // MIB} MiB of memory, more than "
                    f"{TRIAL_MEMORY_FACTOR_MAX} x {stable // MIB} MiB (stable) + "
                    f"{TRIAL_MEMORY_EXTRA_BYTES_MAX // MIB} MiB"
                )
            case moves.Judged(_, verdict):
                found = replace(self, verdict=verdict.text)
                return found, verdict.text if isinstance(verdict, Unhealthy) else ""
            case _:
                return self, ""

    def _probed(self, event: moves.Probed) -> tuple["Candidacy", str]:
        if self.step is None or self.step[0] != event.generation:
            return self, ""
        found = replace(self, probes=event.probes)
        if event.probes.differed:
            return found, f"a golden request was answered wrongly: {event.probes.first}"
        if event.complete and self.phase is TrialPhase.TASTING:
            found = replace(found, phase=TrialPhase.TASTED)
        return found, ""

    def overdue(self, now_s: float) -> tuple[str, bool]:
        """Why the taste is out of time, and whether the release is to blame; empty when not."""
        due_s = self.taste_due_s
        if due_s is None or now_s < due_s or not self.active:
            return "", False
        limit_s = self.want.taste_deadline_s
        if not self.fetched:
            return f"its bundle could not be fetched within {limit_s:g} s", False
        what = "start" if self.phase is TrialPhase.STARTING else "answer its golden requests"
        return f"the candidate did not {what} within {limit_s:g} s", True

    def withdrawn(self) -> "Candidacy":
        """Kept to be told of, with nothing running."""
        return replace(
            self, gone=True, share_permille=0, steered_permille=0, baseline=False, opened=False
        )


def begin(assigned: Trial, generation: Generation, now_s: float) -> Candidacy:
    """A trial that begins now."""
    return Candidacy(assigned, generation, now_s + assigned.taste_deadline_s)


def remembered(assigned: Trial, generation: Generation, failure: FailedTrial) -> Candidacy:
    """A trial that failed here before and is only told of."""
    return Candidacy(assigned, generation, 0.0, failure=failure, gone=True)


def report(candidacy: Candidacy | None) -> TrialReport | None:
    """What control is told; a failure only once no new connection meets the candidate."""
    if candidacy is None:
        return None
    told = candidacy.failure if candidacy.gone else None
    return TrialReport(
        release=candidacy.want.release,
        digest=candidacy.want.digest,
        phase=TrialPhase.FAILED if told else candidacy.phase,
        share_permille=candidacy.share_permille,
        message=told.message if told else "",
        nacks=candidacy.nacks if told else (),
        probes=candidacy.probes,
        verdict=candidacy.verdict,
        baseline=candidacy.baseline,
        restarts=candidacy.restarts,
        blames_content=told.blames_content if told else True,
    )


def memory_max_bytes(stable_bytes: int) -> int:
    """How much a candidate may hold beside a stable slot that holds `stable_bytes`."""
    return TRIAL_MEMORY_FACTOR_MAX * stable_bytes + TRIAL_MEMORY_EXTRA_BYTES_MAX
