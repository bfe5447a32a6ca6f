"""One run: deed after deed, the promises looked at after each, and the account of it all."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from seawall.api.status_views import StatusView
from seawall.clock import Clock
from tools.soak import promises
from tools.soak.edge import START_S_MAX, STOP_S_MAX, Edge, marks_in
from tools.soak.plan import Death, Deed, Kind, Site, Victim, picked
from tools.soak.promises import Answer, Forgiveness, Served
from tools.soak.visitors import Visitors

DEEDS_PER_REST: Final = 6
"""Deeds meet each other's traces, and yet each few of them are looked at in peace."""
REST_S_MAX: Final = 90.0
"""From the last deed until nothing is on its way: two steps of 20 s, and kills in each."""
FRESH_CLIENTS: Final = 30
ENVOYS_AT_REST_MAX: Final = 2
"""The one that serves, and the one before it while a long stream is open."""
_POLL_S: Final = 0.5
_ENDED_S: Final = 1.0
"""Children of a process that was stopped end with it, a moment later."""
_LOGGED_SHOWN: Final = 10
_DONE, _NOBODY = 0, 3
_CALLED_BACK: Final = "rolled-back"
_COMMITTED: Final = frozenset({"done", "baking"})


@dataclass(slots=True)
class Journal:
    """What happened, on the terminal and in the run's directory; and what was broken."""

    clock: Clock
    file: TextIO
    began_s: float
    broken: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """A line of progress."""
        line = f"{self.clock.monotonic_s() - self.began_s:8.2f} s  {text}"
        print(line, flush=True)
        self.file.write(line + "\n")
        self.file.flush()

    def broke(self, what: Sequence[str]) -> None:
        """Promises that were broken."""
        for text in what:
            self.broken.append(text)
            self.say(f"BROKEN  {text}")


@dataclass(slots=True)
class Account:
    """How much was done."""

    deeds: Counter[Kind] = field(default_factory=Counter)
    ends: Counter[tuple[Kind, int]] = field(default_factory=Counter)
    deaths: Counter[Victim] = field(default_factory=Counter)
    rests: int = 0
    logged: Counter[str] = field(default_factory=Counter)
    """Tracebacks in the logs, by their last line."""

    def table(self, served: Served, *, anew: int, cuts: int, broken: int) -> str:
        """The summary."""
        rows = [f"{'deed':<30}{'times':>7}{'done':>7}{'refused':>9}{'nobody there':>14}"]
        for kind in Kind:
            done, away = self.ends[kind, _DONE], self.ends[kind, _NOBODY]
            refused = self.deeds[kind] - done - away
            rows.append(f"{kind:<30}{self.deeds[kind]:>7}{done:>7}{refused:>9}{away:>14}")
        rows += ["", f"{'killed':<30}{'times':>7}"]
        rows += [f"{victim:<30}{self.deaths[victim]:>7}" for victim in Victim]
        rows += ["", f"{'requests':<30}{'':>7}"]
        for name, count in (
            ("served", served.well),
            ("failed and forgiven", served.forgiven),
            ("failed", served.failed),
            ("asked anew on a closed one", anew),
        ):
            rows.append(f"{name:<30}{count:>7,}")
        rows += ["", f"{'long streams cut, unforgiven':<30}{cuts:>7}"]
        rows += [f"{'rests':<30}{self.rests:>7}", f"{'promises broken':<30}{broken:>7}"]
        rows += ["", f"{'tracebacks in logs':<30}{self.logged.total():>7}"]
        rows += [f"  {count} x {text}" for text, count in self.logged.most_common(_LOGGED_SHOWN)]
        return "\n".join(rows)


@dataclass(slots=True)
class Soak:
    """One run on one edge."""

    edge: Edge
    visitors: Visitors
    journal: Journal
    clock: Clock
    origin_port: int
    forgiveness: Forgiveness = field(default_factory=Forgiveness)
    served: Served = field(default_factory=Served)
    account: Account = field(default_factory=Account)
    _sites: dict[str, Site] = field(default_factory=dict)

    def run(self, plan: Iterable[Deed], seconds: float) -> None:
        """Everything: start, deeds for that long, a last rest, stop; Ctrl-C only ends it early."""
        self._write(self.edge.config, Site(0))
        try:
            if not self.edge.start(serving=True):
                self.journal.broke(["seawall up did not start"])
                return
            self.visitors.start()
            end_s = self.journal.began_s + seconds
            for deed in plan:
                if self.clock.monotonic_s() >= end_s or not self._carry_out(deed):
                    break
            if self.edge.ended() is None:
                self._rest()
        except KeyboardInterrupt:
            self.journal.say("interrupted")
        finally:
            self._stop()

    def table(self) -> str:
        """The summary of it."""
        cuts = [at_s for at_s in self.visitors.cuts_s if not self.forgiveness.by_kill(at_s, at_s)]
        return self.account.table(
            self.served,
            anew=self.visitors.asked_anew,
            cuts=len(cuts),
            broken=len(self.journal.broken),
        )

    def _carry_out(self, deed: Deed) -> bool:
        """Do it, and look at what was promised; False when there is nothing left to go on with."""
        if deed.number > 1 and deed.number % DEEDS_PER_REST == 1:
            self._rest()
        self.journal.say(f"--- {deed.number} {deed.kind}")
        with ThreadPoolExecutor(1) as killer:
            killing = killer.submit(self._kill_each, deed.deaths)
            answers = self._do(deed)
            killing.result()
        self.account.deeds[deed.kind] += 1
        code = min((answer.code for answer in answers), default=_DONE)
        self.account.ends[deed.kind, code] += 1
        self._settle(deed, answers)
        time.sleep(deed.rest_s)
        self._look_at_requests()
        if self.edge.ended() is not None:
            self.journal.broke([f"seawall up ended by itself with {self.edge.ended()}"])
            return False
        return True

    def _do(self, deed: Deed) -> list[Answer]:
        ways: dict[Kind, Callable[[], list[Answer]]] = {
            Kind.UNWATCHED: lambda: self._paused(self._apply(deed.sites[0], "--no-wait"), deed),
            Kind.BROKEN: lambda: self._apply_broken(deed.broken),
            Kind.BACK: lambda: [self._command("rollback")],
            Kind.BACK_TO: lambda: self._back_to(deed.pick),
            Kind.SWITCH: lambda: [
                self._command("kill", deed.feature, "--reason", "soak", "--ttl", deed.ttl)
            ],
            Kind.FREEZE: lambda: [
                self._command("freeze", "--reason", "soak"),
                *(self._apply(site) for site in deed.sites),
                self._heard("unfreeze"),
            ],
            Kind.ABORT: lambda: [self._command("abort")],
            Kind.PAUSE: lambda: [
                *self._paused(self._command("pause"), deed),
                self._heard("resume"),
            ],
            Kind.TWO: lambda: self._both(deed),
        }
        way = ways.get(deed.kind, lambda: [self._apply(site) for site in deed.sites])
        return way()

    def _paused(self, answer: Answer, deed: Deed) -> list[Answer]:
        time.sleep(deed.pause_s)
        return [answer]

    def _apply_broken(self, text: str) -> list[Answer]:
        self.edge.config.write_text(text)
        return [self._command("apply", must_fail=True)]

    def _apply(self, site: Site, *more: str, config: Path | None = None) -> Answer:
        self._write(config or self.edge.config, site)
        if site.failing is not None:
            self.forgiveness.offered(site.failing, self.clock.monotonic_s())
        return self._command(
            *("apply", "-m", site.mark, *more),
            config=config,
            must_fail=site.failing is not None,
        )

    def _back_to(self, pick: float) -> list[Answer]:
        release = picked([name for name, _ in self.edge.releases()], pick)
        if release is None:
            return [self._command("rollback")]
        self._may_be_tried(self.edge.mark_of(release))
        return [self._command("rollback", release)]

    def _both(self, deed: Deed) -> list[Answer]:
        mine, other = deed.sites
        with ThreadPoolExecutor(1) as somebody:
            theirs = somebody.submit(self._apply, other, config=self.edge.home / "other.yaml")
            time.sleep(deed.pick)
            return [self._apply(mine), theirs.result()]

    def _heard(self, word: str) -> Answer:
        """An order that ends a hold: given again until somebody hears it, as people would."""
        end_s = self.clock.monotonic_s() + START_S_MAX
        while (answer := self._command(word)).code == _NOBODY:
            if self.clock.monotonic_s() > end_s:
                self.journal.broke([f"nobody hears {word} for {START_S_MAX:.0f} s"])
                break
            time.sleep(_POLL_S)
        return answer

    def _command(self, *words: str, config: Path | None = None, must_fail: bool = False) -> Answer:
        answer = self.edge.run(*words, config=config)
        why = f" {answer.reason}" if answer.code else ""
        self.journal.say(f"{' '.join(words)}: {answer.code}{why} after {answer.took_s:.1f} s")
        self.journal.broke(promises.command(answer, must_fail=must_fail))
        return answer

    def _kill_each(self, deaths: Sequence[Death]) -> None:
        for death in deaths:
            time.sleep(death.after_s)
            self._kill(death)

    def _kill(self, death: Death) -> None:
        if death.victim is Victim.UP:
            self.journal.say("kill seawall up")
            self.account.deaths[Victim.UP] += 1
            self.edge.kill_up()
            time.sleep(death.away_s)
            self._may_be_tried(marks_in(self.edge.config.read_text()))
            if not self.edge.start():
                self.journal.broke(["seawall up, started again, does not answer"])
            return
        stable = self.edge.stable()
        found = self.edge.find(death.victim, death.pick)
        if found is None:
            self.journal.say(f"nobody to kill: {death.victim}")
            return
        self.journal.say(f"kill {death.victim}, {found.pid}")
        self.account.deaths[death.victim] += 1
        found.send(signal.SIGKILL)
        if death.victim in {Victim.STABLE, Victim.OTHER}:
            # A release may have been committed just then, and made it the one that serves.
            serves = found in {stable, self.edge.stable()}
            self.forgiveness.killed(self.clock.monotonic_s(), stable=serves)

    def _may_be_tried(self, mark: str) -> None:
        """A release that fails is offered again: by a rollback to it, or by `up` itself."""
        site = self._sites.get(mark)
        if site is not None and site.failing is not None:
            self.forgiveness.offered(site.failing, self.clock.monotonic_s())

    def _settle(self, deed: Deed, answers: Sequence[Answer]) -> None:
        """What was called back is not tried any more, unless an `up` began anew meanwhile."""
        if any(death.victim is Victim.UP for death in deed.deaths):
            return
        for site, answer in zip(deed.sites, answers, strict=False):
            if site.failing is not None and answer.reason == _CALLED_BACK:
                ended_s = self.clock.monotonic_s()
                self.forgiveness.withdrawn(ended_s, site.mark)

    def _look_at_requests(self) -> None:
        bad = self.served.count(self.visitors.taken(), self.forgiveness)
        self.journal.broke(promises.failed_requests(bad, self.journal.began_s))

    def _rest(self) -> None:
        """Wait until nothing is on its way, then ask as clients do."""
        while self.clock.monotonic_s() < self.forgiveness.kills_end_s():
            time.sleep(_POLL_S)
        end_s = self.clock.monotonic_s() + REST_S_MAX
        while (status := self._at_rest()) is None:
            if self.clock.monotonic_s() > end_s:
                seen = self.edge.status()
                words = f"{seen.state}: {seen.summary}" if seen else "nobody answers"
                self.journal.broke([f"no rest in {REST_S_MAX:.0f} s: {words}"])
                return
            time.sleep(_POLL_S)
        self.account.rests += 1
        self.forgiveness.withdrawn(self.clock.monotonic_s())
        current = status.current.id if status.current else ""
        wanted = self.edge.mark_of(current)
        got = [self.visitors.one() for _ in range(FRESH_CLIENTS)]
        count = self._envoys_left(end_s)
        self.journal.broke(promises.at_rest(current, wanted, got, count, ENVOYS_AT_REST_MAX))
        self._look_for_failing(current)
        self._look_at_requests()
        self.journal.say(
            f"at rest: {current} ({wanted}), Envoys: {count}, requests served: "
            f"{self.served.well:,}, notices: {[notice.code for notice in status.notices]}"
        )

    def _at_rest(self) -> StatusView | None:
        """The status of an edge on which nothing is on its way; None while something is."""
        status = self.edge.status()
        if status is None or status.state != "serving" or self.edge.offering():
            return None
        going = status.rollouts
        return None if going is not None and (going.running or going.waiting) else status

    def _envoys_left(self, end_s: float) -> int:
        """How many stay: those of a release that was withdrawn just now let their requests end."""
        while (count := self.edge.envoys()) > ENVOYS_AT_REST_MAX:
            if self.clock.monotonic_s() > end_s:
                break
            time.sleep(_POLL_S)
        return count

    def _look_for_failing(self, current: str) -> None:
        for release, stage in self.edge.releases():
            mark = self.edge.mark_of(release)
            if self.forgiveness.fails(mark) and (release == current or stage in _COMMITTED):
                self.journal.broke([f"{release} ({mark}), which fails, was committed: {stage}"])

    def _stop(self) -> None:
        if not self.visitors.end():
            self.journal.broke(["a client of the soak itself gave up: see the terminal"])
        self._look_at_requests()
        if self.edge.ended() is None and not self.edge.stop():
            self.journal.broke([f"seawall up did not end well in {STOP_S_MAX:.0f} s"])
        end_s = self.clock.monotonic_s() + _ENDED_S
        while (left := self.edge.left()) and self.clock.monotonic_s() < end_s:
            time.sleep(_POLL_S)
        self.journal.broke([f"left behind: {one}" for one in left])
        self.edge.kill_all()
        for log in self.edge.logs():
            text = log.read_text(errors="replace")
            self.account.logged.update(f"{log.name}: {one}" for one in promises.errors_of(text))
        said = promises.errors_of(self.edge.up_log.read_text(errors="replace"))
        self.journal.broke([f"traceback of seawall up: {one}" for one in said])

    def _write(self, config: Path, site: Site) -> None:
        self._sites[site.mark] = site
        config.write_text(site.text(self.edge.port, self.origin_port))
