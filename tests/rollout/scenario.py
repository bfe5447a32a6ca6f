"""Runs a text scenario: goal and method on top, one command a line, and gives the transcript.

PYTHONPATH=src:tests python -m rollout.scenario      rewrite all transcripts, drop orphans
"""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from rollout.model import Model, ModelNode, unhealthy
from seawall.errors import SeawallError
from seawall.ids import NodeName, ReleaseId
from seawall.judge.verdict import Healthy, NotEnough, Reason
from seawall.model.rollout import Step, Wave, WithoutTraffic
from seawall.rollout import orders
from seawall.rollout.ports import UNHEALTHY_BAKING, Phase, Steering
from seawall.rollout.state import Assigned, Plan, Target

FOLDER = Path(__file__).parent / "scenarios"
TICKS_MAX = 200_000


class Scenario:
    """One run; each command is a method of its name."""

    def __init__(self) -> None:
        self.model = Model()

    def run(self, text: str) -> Iterator[str]:
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            yield f"> {line.strip()}"
            yield from self._command(words)

    def _command(self, words: list[str]) -> Iterator[str]:
        plain = [word for word in words[1:] if "=" not in word]
        options = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        method: Callable[..., Iterator[str] | None] = getattr(self, words[0].replace("-", "_"))
        try:
            yield from method(*plain, **options) or ()
        except SeawallError as error:
            yield f"  refused ({error.code}): {error.message}"
        yield from self._events()

    def _events(self) -> Iterator[str]:
        for event in self.model.said:
            yield f"  {self.model.now_s:4.0f} s  {event.text}"
        self.model.said.clear()

    # --- Commands --------------------------------------------------------------------------------

    def nodes(self, *names: str, **options: str) -> None:
        for name in names:
            self.model.add(
                ModelNode(
                    NodeName(name),
                    level=int(options.get("level", "1")),
                    steering=Steering(options.get("steering", "kernel")),
                    groups=tuple(options.get("groups", "").split()),
                )
            )

    def serving(self, release: str) -> None:
        """All nodes serve a release that is good, as if it had been there for long."""
        model = self.model
        model.start(release)
        while model.fleet.rollouts:
            model.tick()
        model.said.clear()
        model.ended.clear()
        model.now_s = 0.0

    def policy(self, **options: str) -> None:
        changes: dict[str, object] = {}
        soak, deadline = float(options.get("soak", "5")), float(options.get("deadline", "60"))
        if "steps" in options:
            shares = [share for share in options["steps"].split(",") if share]
            changes["steps"] = tuple(Step(int(share), soak, deadline) for share in shares)
        if "waves" in options:
            changes["waves"] = tuple(
                Wave(share=float(wave[:-1]) / 100) if wave.endswith("%") else Wave(group=wave)
                for wave in options["waves"].split(",")
            )
        if "without" in options:
            changes["without_traffic"] = WithoutTraffic(options["without"])
        self.model.policy = replace(self.model.policy, **changes)  # type: ignore[arg-type]  # - text

    def traffic(self, rate: str) -> None:
        self.model.rate_per_s = None if rate == "unmeasured" else float(rate)

    def judge(self, verdict: str, *words: str) -> None:
        text = words[-1] if words else ""
        self.model.verdict = {
            "itself": None,
            "healthy": Healthy(text),
            "gathering": NotEnough(Reason.GATHERING, text=text),
            "missing": NotEnough(Reason.MISSING, text=text),
            "unhealthy": unhealthy(words[0] if words else "errors", text),
        }[verdict]

    def suspect(self, text: str = "") -> None:
        self.model.suspicion = text

    def hesitate(self, word: str = "") -> None:
        self.model.hesitates = word != "no"

    def alone(self, name: str = "") -> None:
        """Without this node's numbers the candidate would not be unhealthy."""
        self.model.alone = NodeName(name) if name else None

    def bake_verdict(self, gate: str, text: str) -> None:
        self.model.bake = unhealthy(gate, text)

    def apply(self, release: str, **options: str) -> None:
        given: dict[str, object] = dict(options)
        for flag in ("break_glass", "forced"):
            if flag in given:
                given[flag] = True
        if "period" in given:
            given["period_s"] = float(str(given.pop("period")))
        self.model.start(release, **given)

    def run_for(self, seconds: str) -> Iterator[str]:
        for _ in range(int(seconds)):
            self.model.tick()
            yield from self._events()

    def pace(self, seconds: str) -> None:
        """How far apart control looks, where nothing happens for long."""
        self.model.pace_s = int(seconds)

    def until(self, what: str) -> Iterator[str]:
        """Until every rollout has ended (`ended`), or one is held, or in a stage."""
        for _ in range(TICKS_MAX):
            self.model.tick()
            yield from self._events()
            running = self.model.fleet.running
            if what == "ended" and not self.model.fleet.rollouts:
                return
            if running is not None and (
                (what == "held" and running.held) or running.stage.value == what
            ):
                return
        raise AssertionError(f"never {what}")

    def until_step(self, wave: str, step: str) -> Iterator[str]:
        for _ in range(TICKS_MAX):
            self.model.tick()
            yield from self._events()
            running = self.model.fleet.running
            if running and (running.wave + 1, running.step) == (int(wave), int(step)):
                return
        raise AssertionError("never there")

    def away(self, *names: str) -> None:
        for name in names:
            self.model.nodes[NodeName(name)].away = True

    def back(self, *names: str) -> None:
        for name in names:
            self.model.nodes[NodeName(name)].away = False

    def stuck(self, name: str) -> None:
        self.model.nodes[NodeName(name)].slow = True

    def fails(self, name: str, release: str, words: str, *machine: str) -> None:
        self.model.nodes[NodeName(name)].fails[release] = (words, not machine)

    def rejects(self, name: str, release: str, words: str, *machine: str) -> None:
        self.model.nodes[NodeName(name)].rejects[release] = (words, not machine)

    def mends(self, name: str) -> None:
        self.model.nodes[NodeName(name)].fails.clear()
        self.model.nodes[NodeName(name)].rejects.clear()

    def reverts(self, name: str, to: str) -> None:
        """The node's Envoy crashed under the release; it went back by itself."""
        node = self.model.nodes[NodeName(name)]
        node.serving, node.phase = ReleaseId(to), Phase.REJECTED
        node.message = "went back after a crash loop of Envoy"

    def brakes_baking(self, name: str, to: str) -> None:
        """The node fared better before the commit; it went back by itself."""
        node = self.model.nodes[NodeName(name)]
        node.message = f"{node.serving} {UNHEALTHY_BAKING}: 60 of 100 requests; {to} serves instead"
        node.serving, node.phase = ReleaseId(to), Phase.REJECTED

    def pause(self, actor: str) -> None:
        self._order(orders.pause(self.model.fleet, actor, self.model.now_s))

    def resume(self, actor: str) -> None:
        self._order(orders.resume(self.model.fleet, actor, self.model.now_s))

    def abort(self, actor: str, reason: str = "") -> None:
        self._order(orders.abort(self.model.fleet, actor, reason, self.model.now_s))

    def freeze(self, actor: str, reason: str = "") -> None:
        self._order(orders.freeze(self.model.fleet, actor, reason, self.model.now_s))

    def unfreeze(self, actor: str) -> None:
        self._order(orders.unfreeze(self.model.fleet, actor, self.model.now_s))

    def new_leader(self, **reach_after_s: str) -> None:
        """Another control process leads; nodes report to it after so many seconds."""
        self.model.led_since_s = self.model.now_s
        for name, seconds in reach_after_s.items():
            self.model.nodes[NodeName(name)].unheard_s = float(seconds)

    def nobody_leads(self, seconds: str) -> None:
        """No control process plans: nodes live on."""
        for _ in range(int(seconds)):
            self.model.pass_time()

    def remove(self, name: str) -> None:
        """The node is put out of the fleet, and says nothing any more."""
        del self.model.nodes[NodeName(name)]
        self._order(orders.forget(self.model.fleet, NodeName(name), self.model.now_s))

    def old_leader_sleeps(self) -> None:
        self.model.stale = self.model.fleet

    def old_leader_writes(self) -> None:
        stale = self.model.stale
        assert stale is not None
        made = orders.abort(stale, "old leader", "", self.model.now_s)
        self.model.take(made, by=stale)

    def restored_store(self, behind: str) -> None:
        """The store was restored from a backup: its generations are behind the nodes'."""
        fleet = self.model.fleet
        lower = {
            name: replace(told, generation=type(told.generation)(told.generation - int(behind)))
            for name, told in fleet.assigned.items()
        }
        generation = type(fleet.generation)(fleet.generation - int(behind))
        self.model.fleet = replace(fleet, assigned=lower, generation=generation)

    def backup(self) -> None:
        """The store is copied."""
        self.model.backup = self.model.fleet

    def restore(self) -> None:
        """The copy takes the place of the store; nodes live on."""
        assert self.model.backup is not None
        self.model.fleet = self.model.backup

    def show(self) -> Iterator[str]:
        target = self.model.fleet.target
        yield f"  target {_target(target)}"
        for node in self.model.nodes.values():
            told = self.model.fleet.assigned.get(node.name)
            words = f"{node.name}: told {_told(told)}, serves {node.serving}, {node.phase.value}"
            if node.trial is not None:
                words += f", tries {node.trial.release} ({node.trial.phase.value}"
                words += f" {node.trial.share_permille} permille)"
            yield f"  {words}{' (away)' if node.away else ''}"

    def _order(self, made: Plan) -> None:
        self.model.take(made)


def _target(target: Target | None) -> str:
    return target.release if target else "nothing"


def _told(told: Assigned | None) -> str:
    if told is None:
        return "nothing"
    trial = f" and to try {told.trial.release} at {told.trial.share_permille}" if told.trial else ""
    return f"{told.release}{trial} (generation {told.generation})"


def transcript(text: str) -> str:
    return "".join(f"{line}\n" for line in Scenario().run(text))


def main() -> None:
    wanted = set()
    for scenario in sorted(FOLDER.glob("*.txt")):
        written = scenario.with_suffix(".out")
        written.write_text(transcript(scenario.read_text()))
        wanted.add(written)
    for orphan in set(FOLDER.glob("*.out")) - wanted:
        orphan.unlink()


if __name__ == "__main__":
    main()
