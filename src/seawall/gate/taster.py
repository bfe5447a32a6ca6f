"""The taster: a sacrificial Envoy meets a release before any node does, next to the current one.

It decides how a tasting goes and what refuses a release; `rewrite` makes the release harmless,
`sacrifice` holds the processes, `probes` says what is asked and `compare` what the answers mean.
A release is refused for a crash, a hang, too much memory or processor time, an error where there
was none, or a golden request answered otherwise than written. Where it cannot be tasted it is
refused too, without blame: nothing passes in silence. `--force taster` passes either, and is told.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from seawall import limits
from seawall.clock import Clock
from seawall.compiler.model_words import model_of, shadow_of
from seawall.compiler.snapshot import Snapshot
from seawall.gate import tasted
from seawall.gate.ask import Answer, Asker, Failure
from seawall.gate.compare import Changed, Finding
from seawall.gate.early import Early
from seawall.gate.judged import CANNOT_RUN, FORCE, costly, judge, to_tell
from seawall.gate.narrow import needed, unasked
from seawall.gate.plate import Plate, Tasting
from seawall.gate.probes import Probe, Source, choose, golden_probes, recent_probes
from seawall.gate.rewrite import Harmless, harmless
from seawall.gate.sacrifice import Bounds, End, remove_leftovers, sacrifice
from seawall.gate.stub import Stub
from seawall.gate.tasted_scores import look_at_scores, look_at_shadow
from seawall.gate.tasted_words import arithmetic
from seawall.model import Golden
from seawall.telemetry import records
from seawall.telemetry.bot_policy import policies_in

_STUB: Final = "stub.sock"
_NOT_EARLY: Final = (OSError, KeyError, ValueError, DecodeError)
"""Why no Envoy is started early: what is wrong is told when the release is tasted, and a current
release of an older Seawall may hold what is not written any more."""


@dataclass(frozen=True)
class Order:
    """What shall be tasted.

    Attributes:
        new: the release.
        old: the current one; None before the first.
        change: tells what differs between them; asked while the release starts.
        begun: called once an Envoy reads the release, and nothing more is done for it here.
        golden: requests of the new release.
        switch: a kill switch is thrown, or ends; it brings nothing that was not there before.
    """

    new: Snapshot
    old: Snapshot | None
    change: Callable[[], Awaitable[Changed]]
    golden: tuple[Golden, ...]
    switch: bool = False
    begun: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class TasteReport:
    """What came of a tasting.

    Attributes:
        refusal: why the release may not go on; None when it may.
        summary: one line for people.
        lines: the arithmetic, then every difference.
    """

    refusal: Finding | None
    summary: str
    lines: tuple[str, ...]
    elapsed_s: float


class Taster:
    """Tastes releases with one Envoy binary, one at a time.

    Args:
        envoy: the binary.
        work_dir: private; everything a tasting needs is made and removed below it.
        access_file: newest access records of this machine, if there are any.
        bounds: what one sacrificial Envoy may use.
        answer_timeout_s: for one answer.
    """

    def __init__(
        self,
        envoy: Path,
        clock: Clock,
        *,
        work_dir: Path,
        access_file: Path | None = None,
        bounds: Bounds | None = None,
        answer_timeout_s: float = limits.TASTER_ANSWER_TIMEOUT_S,
    ) -> None:
        self._envoy = envoy
        self._clock = clock
        self._work_dir = work_dir
        self._access_file = access_file
        self._bounds = bounds or Bounds()
        self._answer_timeout_s = answer_timeout_s
        self._turn = asyncio.Lock()
        self._early = Early(
            lambda ready: self._served(ready, follows=True),
            lambda snapshot: harmless(snapshot, _STUB, follows=True),
        )
        self._unsaved: tasted.Memory | None = None

    async def expect(self, current: Snapshot) -> None:
        """A release after `current` will be tasted soon: what takes long can begin.

        Whoever calls this calls `tidy` when the release is told of, tasted or not.
        """
        await self._early.end()
        with suppress(*_NOT_EARLY):
            await asyncio.to_thread(self._make_room)
            await self._early.begin(current)

    async def tidy(self) -> None:
        """Remove what is left of a tasting, and remember what was found; nobody waits for it."""
        await self._early.end()
        memory, self._unsaved = self._unsaved, None
        if memory is not None:
            await asyncio.to_thread(tasted.save, self._work_dir, memory)

    async def taste(
        self, order: Order, *, say: Callable[[str], None] = lambda _: None
    ) -> TasteReport:
        """Start, ask, compare. Whatever goes wrong is in the report.

        Args:
            order: what to taste.
            say: told how far it is.
        """
        async with self._turn:
            begin_s = self._clock.monotonic_s()
            try:
                async with asyncio.timeout(limits.TASTER_TIMEOUT_S):
                    refusal, summary, lines = await self._taste(order, say)
            except TimeoutError:
                text = f"The tasting did not end within {limits.TASTER_TIMEOUT_S:g} s."
                remedy = f"Try again when the machine is less busy. {FORCE}"
                refusal = Finding("taster-too-slow", text, remedy, blames_content=False)
                summary, lines = text, []
            except OSError as error:
                text = f"The taster cannot run on this machine: {error.strerror or error}."
                remedy = f"Check the data directory, and free memory and disk space. {FORCE}"
                refusal = Finding(CANNOT_RUN, text, remedy, blames_content=False)
                summary, lines = text, []
            elapsed_s = self._clock.monotonic_s() - begin_s
            return TasteReport(refusal, summary, tuple(lines), elapsed_s)

    async def _taste(
        self, order: Order, say: Callable[[str], None]
    ) -> tuple[Finding | None, str, list[str]]:
        if not self._early.stands:
            await asyncio.to_thread(self._make_room)
        async with AsyncExitStack() as stack:
            # It takes longest to start, and needs to know nothing of what it will be asked.
            early = await self._early.meet(order.new)
            first = early
            if first is None:
                first = await stack.enter_async_context(self._eaten(order.new))
            order.begun()
            memory = await asyncio.to_thread(self._remembered)
            change = await order.change()
            golden = tuple(golden_probes(order.golden))
            questions = await asyncio.to_thread(
                choose, golden, memory.samples, order.new, change.routes, change.alone
            )
            known = memory.of(order.old.digest) if order.old is not None else None
            if known is not None and not _covers(known.answers, questions.all):
                known = None
            probes = needed(questions, known, change, memory.turn)
            say(f"asking {len(probes)} requests")
            new, old = await self._asked(first, order.old, probes, known, change)
        part = len(probes) < len(questions.all)
        found = await asyncio.to_thread(judge, probes, new, old, change, order.new, part=part)
        doubtful = early is not None and bool(found.refusals or new.words)
        if doubtful or (found.refusals and known is not None):
            probes, known = questions.all, None
            async with self._eaten(order.new) as again:
                new, old = await self._asked(again, order.old, probes, None, change)
            found = await asyncio.to_thread(judge, probes, new, old, change, order.new)
        before = old.answers if old else ()
        odd, scored = await asyncio.to_thread(_scores, order, probes, new.answers, before)
        doubt, shadowed = await asyncio.to_thread(_shadow, order, probes, new.answers)
        wrong = tuple(each for each in (odd, doubt) if each is not None)
        found = replace(found, refusals=(*found.refusals, *wrong))
        if not found.refusals:
            memory = memory.added(
                order.new.digest,
                {**unasked(questions, known, change), **tasted.told(probes, new.answers)},
                new.memory_bytes,
            )
            self._unsaved = memory
            if early is None:
                await self.tidy()
        lines = [*arithmetic(probes, new, old, remembered=known is not None)]
        if spared := len(questions.all) - len(probes):
            sites = ", ".join(sorted(change.alone))
            lines.append(f"Not asked: {spared} that cannot differ, because only {sites} changed.")
        lines += [line for line in (scored, shadowed) if line]
        lines += [each.text for each in found.refusals]
        shown = found.differences[: limits.TASTER_DIFFERENCES_MAX]
        lines += [f"Differs: {text}" for text in shown]
        if rest := len(found.differences) - len(shown):
            lines.append(f"{rest} more differences are not shown.")
        refusal = to_tell(found.refusals)
        summary = f"{len(new.answers)} request(s) asked, {len(found.differences)} differ"
        return refusal, summary if refusal is None else refusal.text, lines

    def _make_room(self) -> None:
        self._work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_leftovers(self._work_dir)

    def _stamp(self) -> str:
        stat = self._envoy.stat()
        return f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"

    def _remembered(self) -> tasted.Memory:
        """What is known, with the sample of last time while it is fresh, or a new one."""
        memory = tasted.load(self._work_dir, self._stamp())
        now_s = self._clock.now_s()
        if memory.samples and 0 <= now_s - memory.chosen_s <= limits.TASTER_SAMPLES_REUSED_S:
            return memory
        if self._access_file is None:
            return memory
        recent = records.recent(self._access_file, limits.TASTER_SAMPLE_READ_BYTES)
        chosen = tuple(recent_probes(recent, now_s))
        return replace(memory, samples=chosen, chosen_s=now_s)

    # --- Running ---------------------------------------------------------------------------------

    async def _asked(
        self,
        new: Plate,
        before: Snapshot | None,
        probes: Sequence[Probe],
        known: tasted.Tasted | None,
        change: Changed,
    ) -> tuple[Tasting, Tasting | None]:
        """Ask the new release, and the one before beside it unless its answers are known."""
        if before is None:
            return await new.tasting(probes), None
        if known is not None:
            one, other = await new.tasting(probes), _told(known, probes)
            for index in costly(probes, one, other, change):
                one = await new.again(one, index, probes[index])
            return one, other
        async with self._eaten(before) as old:
            one, other = await asyncio.gather(new.tasting(probes), old.tasting(probes))
            for index in costly(probes, one, other, change):
                one = await new.again(one, index, probes[index])
                other = await old.again(other, index, probes[index])
            return one, other

    @asynccontextmanager
    async def _eaten(self, snapshot: Snapshot) -> AsyncIterator[Plate]:
        """A sacrificial Envoy of `snapshot` with its stub, inside the `with` block."""
        ready = await asyncio.to_thread(harmless, snapshot, _STUB)
        async with self._served(ready) as plate:
            yield plate

    @asynccontextmanager
    async def _served(self, ready: Harmless, *, follows: bool = False) -> AsyncIterator[Plate]:
        stub = Stub({})
        where, bounds = self._work_dir, self._bounds
        async with (
            sacrifice(
                self._envoy, ready.files, work_dir=where, bounds=bounds, follows=follows
            ) as envoy,
            stub.on(envoy.directory / _STUB),
        ):
            asker = Asker(envoy.directory, ready.sockets, self._answer_timeout_s)
            try:
                yield Plate(envoy, asker, stub, clock=self._clock)
            finally:
                asker.close()


# --- Judging --------------------------------------------------------------------------------------


def _covers(answers: Mapping[str, Answer], probes: Sequence[Probe]) -> bool:
    """Whether all is known that the current release would be asked about a route it has."""
    return all(p.source is Source.MADE or tasted.key_of(p) in answers for p in probes)


def _told(known: tasted.Tasted, probes: Sequence[Probe]) -> Tasting:
    unknown = Answer(Failure.NOT_ASKED)
    answers = tuple(known.answers.get(tasted.key_of(probe), unknown) for probe in probes)
    return Tasting(End.RUNNING, "", "", answers, known.memory_bytes, 0.0)


def _scores(
    order: Order, probes: Sequence[Probe], new: Sequence[Answer], old: Sequence[Answer]
) -> tuple[Finding | None, str]:
    model = model_of(order.new)
    return look_at_scores(probes, new, old, model, lambda tls: policies_in(order.new, tls=tls))


def _shadow(
    order: Order, probes: Sequence[Probe], answers: Sequence[Answer]
) -> tuple[Finding | None, str]:
    shadow = shadow_of(order.new)
    before = shadow_of(order.old) if order.old is not None else None
    changed = shadow is not None and (before is None or before.id != shadow.id)
    brought = changed and not order.switch
    return look_at_shadow(probes, answers, shadow, brought=brought)
