"""Drives the machine of `node.course` by lines of text, and writes down what it does.

    boot r1                 the agent starts; Envoy serves r1, which is good (`boot` alone: nothing)
    restart                 the agent is killed and starts with what was persisted
    assign 2 r1 trial r2 share 100 [no-baseline] [bake 15] [deadline 60]
    done [stable|trial] [N] the operation in flight ended well (a share N is in effect)
    refused stable|trial [machine] WORDS    it failed; `machine`: the release is not to blame
    probed 6 0 [incomplete|DIFFERENCE]      golden requests asked, and differing
    late 2 6 1 DIFFERENCE   the same, of the step of generation 2
    silent 2 | weighed 900 100 (MiB) | judged candidate|stable unhealthy|healthy|wait WORDS
    died candidate|baseline|stable [WORDS] | looping | heard
    wait 30                 seconds pass
    stale                   an operation answers that was given up long ago
    quickly COMMAND         the same, and every operation that follows ends well at once

On every line the script also holds the promises that no scenario may break (`_promises`).
"""

import shlex
from dataclasses import dataclass, field, replace
from itertools import pairwise

from seawall.ids import Digest, Generation, ReleaseId
from seawall.judge.verdict import Healthy, NotEnough, Reason, Unhealthy
from seawall.limits import MIB
from seawall.node import moves
from seawall.node.candidacy import report
from seawall.node.course import Course, decide, wakeup_s
from seawall.node.state import NodeState, Served
from seawall.rollout.ports import Assignment, Probes, Trial, TrialPhase

BAKE_S = 15.0
_OPERATIONS_MAX = 50


def digest(release: str) -> Digest:
    """The made-up digest of `rN`."""
    return Digest(f"{int(release.removeprefix('r')):064x}")


def served(release: str, generation: int) -> Served:
    """`rN` as it is served."""
    return Served(ReleaseId(release), digest(release), Generation(generation))


@dataclass
class Script:
    """One node, a clock, a disk, and the transcript."""

    now_s: float = 0.0
    course: Course = field(default_factory=Course)
    disk: NodeState = field(default_factory=NodeState)
    lines: list[str] = field(default_factory=list)
    share: int = 0
    _shown: str = ""

    def run(self, text: str) -> str:
        """The transcript of a whole script; its comments stay where they are."""
        for line in text.splitlines():
            self.lines.append(f"> {line}" if line and not line.startswith("#") else line)
            if line and not line.startswith("#"):
                self._command(shlex.split(line, comments=True))
                self._show()
        return "\n".join(self.lines) + "\n"

    def _command(self, words: list[str]) -> None:
        quickly = words[0] == "quickly"
        name, *arguments = words[1:] if quickly else words
        if name == "wait":
            self._wait(float(arguments[0]))
        else:
            for event in self._events(name, arguments):
                self.tell(event)
        for _ in range(_OPERATIONS_MAX if quickly else 0):
            operation = self.course.doing or self.course.trying
            if operation is None:
                break
            self._done(operation, None)

    def _events(  # noqa: PLR0911 - one a command
        self, name: str, arguments: list[str]
    ) -> list[moves.Event]:
        match name, arguments:
            case "boot", releases:
                good = tuple(served(r, 1) for r in releases)
                self.disk = NodeState(
                    generation=Generation(1 if good else 0),
                    serving=good[0] if good else None,
                    good=good,
                )
                return [moves.Booted(self.disk, self.disk.serving)]
            case "restart", []:
                self.course = Course()
                return [moves.Booted(self.disk, self.disk.serving)]
            case "assign", [generation, release, *rest]:
                return [moves.Assigned(_assignment(int(generation), release, rest))]
            case "heard", []:
                return [moves.Heard()]
            case "done", rest:
                lane = next((word for word in rest if not word.isdigit()), "")
                share = next((int(word) for word in rest if word.isdigit()), None)
                self._done(self._in_flight(lane), share)
                return []
            case "refused", [lane, *why]:
                machine = why[0] == "machine"
                words = " ".join(why[1:] if machine else why)
                ticket = self._in_flight(lane).ticket
                return [moves.Refused(ticket, words, blames_content=not machine)]
            case "stale", []:
                return [moves.Done(0, 1000)]
            case _:
                return [self._sight(name, arguments)]

    def _sight(  # noqa: PLR0911 - one a command
        self, name: str, arguments: list[str]
    ) -> moves.Event:
        match name, arguments:
            case "probed", [asked, differed, *rest]:
                step = self.course.trial.step if self.course.trial else None
                words = " ".join(rest)
                complete = words != "incomplete"
                probes = Probes(int(asked), int(differed), words if complete else "")
                return moves.Probed(step[0] if step else Generation(0), probes, complete)
            case "late", [generation, asked, differed, *rest]:
                probes = Probes(int(asked), int(differed), " ".join(rest))
                return moves.Probed(Generation(int(generation)), probes, complete=True)
            case "silent", [count]:
                return moves.Unanswered(int(count))
            case "weighed", [candidate, stable]:
                return moves.Weighed(int(candidate) * MIB, int(stable) * MIB)
            case "judged", [("candidate" | "stable") as arm, kind, *why]:
                words = " ".join(why)
                verdicts = {
                    "unhealthy": Unhealthy("gate", None, words),
                    "healthy": Healthy(words),
                    "wait": NotEnough(Reason.GATHERING, "gate", words),
                }
                return moves.Judged(arm, verdicts[kind])
            case "died", [("candidate" | "baseline" | "stable") as arm, *why]:
                return moves.Died(arm, " ".join(why))
            case "looping", []:
                return moves.Looping()
        raise AssertionError(f"no such command: {name} {arguments}")

    def _in_flight(self, lane: str) -> moves.Operation:
        course = self.course
        found = {"stable": course.doing, "trial": course.trying}.get(
            lane, course.doing or course.trying
        )
        assert found is not None, f"nothing is in flight on {lane or 'any lane'}"
        return found

    def _done(self, operation: moves.Operation, share: int | None) -> None:
        event = moves.Done(operation.ticket)
        if isinstance(operation, moves.Steer):
            self.share = operation.share_permille if share is None else share
            event = replace(event, share_permille=self.share)
        if isinstance(operation, moves.Withdraw):
            self.share = 0
        if isinstance(operation, moves.GoBack):
            event = replace(event, served=operation.candidates[0])
        self.tell(event)

    def _wait(self, duration_s: float) -> None:
        end_s = self.now_s + duration_s
        while (due_s := wakeup_s(self.course)) is not None and due_s <= end_s:
            self.now_s = max(self.now_s, due_s)
            self.tell(moves.Tick())
        self.now_s = end_s
        self.tell(moves.Tick())

    def tell(self, event: moves.Event) -> None:
        """One event, its effects, and the promises."""
        before = self.course
        self.course, effects = decide(before, event, self.now_s)
        _promises(before, self.course, effects)
        moves.carry_out(effects, self)

    # --- Effects -------------------------------------------------------------------------------

    def persist(self, memory: NodeState) -> None:
        """See `moves.Effects`."""
        if memory.generation != self.disk.generation:
            self.lines.append(f"    persist generation {memory.generation}")
        else:
            self.lines.append("    persist")
        self.disk = memory

    def watch(self, watch: moves.Watch) -> None:
        """See `moves.Effects`."""
        share, generation = watch.share_permille, watch.generation
        self.lines.append(f"    watch {watch.served.release}: step {generation}, share {share}")

    def begin(self, operation: moves.Operation) -> None:
        """See `moves.Effects`."""
        match operation:
            case moves.Fetch(_, what, trial):
                words = f"fetch {what.release}" + (" for the trial" if trial else "")
            case moves.Start(_, what, baseline):
                words = f"start candidate {what.release}" + (" and baseline" if baseline else "")
            case moves.Open():
                words = "open the public ports"
            case moves.Steer(_, share):
                words = f"steer {share} permille"
            case moves.Withdraw(_, hung):
                words = "withdraw at once" if hung else "withdraw"
            case moves.Commit(_, what):
                words = f"commit {what.release}"
            case moves.GoBack(_, candidates):
                words = f"go back to {' or '.join(c.release for c in candidates)}"
        self.lines.append(f"    {words}")

    def _show(self) -> None:
        course = self.course
        serving = course.serving.release if course.serving else "nothing"
        told = [f"node: {course.phase.value}, serves {serving}"]
        told += [f"({course.memory.message})"] if course.memory.message else []
        told += [f"notice: {n}" for n in (course.refusal, course.trouble) if n]
        trial = report(course.trial)
        if trial is not None:
            told.append(f"| trial {trial.release} {trial.phase.value} at {trial.share_permille}")
            told += [f"({trial.message})"] if trial.message else []
            told += [] if trial.blames_content else ["[not the release]"]
            steered = trial.phase is TrialPhase.STEERED
            told += ["[no baseline]"] if steered and not trial.baseline else []
        shown = " ".join(told)
        if shown != self._shown:
            self.lines.append(f"    = {shown}")
        self._shown = shown


def _assignment(generation: int, release: str, rest: list[str]) -> Assignment:
    options = dict(pairwise(rest))
    trial = None
    if "trial" in options:
        trial = Trial(
            ReleaseId(options["trial"]),
            digest(options["trial"]),
            int(options.get("share", "0")),
            "no-baseline" not in rest,
            float(options.get("deadline", "60")),
        )
    bake_s = float(options.get("bake", BAKE_S))
    return Assignment(Generation(generation), ReleaseId(release), digest(release), bake_s, trial)


def _promises(before: Course, after: Course, effects: tuple[moves.Effect, ...]) -> None:
    """What holds on every event of every scenario, and of the random ones too."""
    assert after.memory.generation >= before.memory.generation, "a generation fell"
    kinds = [type(effect) for effect in effects]
    late = kinds[1:] if kinds[:1] != [moves.Withdraw] else kinds[2:]
    assert moves.Persist not in late, "something was done before it was persisted"
    if after.memory != before.memory and after.booted == before.booted:
        assert moves.Persist in kinds[:2], "a change was not persisted"
    if after.memory.generation != before.memory.generation and after.booted == before.booted:
        assert kinds[:1] == [moves.Persist], "a generation was acted on before it was persisted"
    trial = after.trial
    for effect in effects:
        if isinstance(effect, moves.Steer | moves.Open):
            assert trial is not None
            assert trial.phase in (TrialPhase.TASTED, TrialPhase.STEERED), "steered untasted"
            assert trial.failure is None, "a failed candidate was steered to"
            assert after.lease_due_s is not None, "steered without control"
        if isinstance(effect, moves.Start):
            assert after.serving is not None, "a candidate with nothing to compare with"
    failed = trial is not None and trial.failure is not None and not trial.gone
    if failed and (before.trial is None or before.trial.failure is None):
        withdrawing = isinstance(after.trying, moves.Withdraw)
        assert withdrawing, "a candidate failed and was not withdrawn at once"
    told = report(trial)
    if told is not None and told.phase is TrialPhase.FAILED:
        assert told.share_permille == 0, "a failure was told before it was withdrawn"
        assert told.message, "a failure without words"
