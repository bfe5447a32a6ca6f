"""What the node agent runs to see its Envoy: windows, rotation of access records, notices.

`poll` never raises for what may go wrong on a live machine: an Envoy that is away, a full disk or
a garbled answer become missing data and a notice, and the next poll tries again. Nothing here
changes what the edge serves.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from seawall.clock import Clock
from seawall.errors import UnreachableError
from seawall.ids import Generation, NodeName, ReleaseId
from seawall.limits import (
    ADMIN_TIMEOUT_S,
    BOT_SAMPLE_SIZE_BYTES_MAX,
    FORWARDED_SAMPLE_SIZE_BYTES_MAX,
    NOTICES_MAX,
    STATS_AGAIN_S,
    STATS_POLL_INTERVAL_S,
    STATS_UNANSWERED_TOLD,
    TRIAL_STATS_INTERVAL_S,
    WINDOW_DURATION_S,
    WINDOWS_KEPT_MAX,
    WINDOWS_SITES_KEPT_MAX,
)
from seawall.tasks import set_within
from seawall.telemetry import records, rotation
from seawall.telemetry.admin import AdminClient
from seawall.telemetry.bot_sample import BotSample, bot_sample
from seawall.telemetry.recording import Recording, RequestRate, kinds
from seawall.telemetry.stats import QUERY, Reading, parse
from seawall.telemetry.window import Window, drop_oldest
from seawall.telemetry.windows import WindowBuilder

MORE_FILES: Final = (
    "Raise the hard limit of open files (`ulimit -Hn`, `LimitNOFILE` of systemd) and restart "
    "Seawall, or lower max_connections."
)
"""What to do about an Envoy that has too few files."""
_COMMIT_READ_TIMEOUT_S: Final = 1.0
_SHORT_WINDOW: Final = 0.9
"""Of the interval: a poll that comes a little early still closes the window it was meant for."""


class Collector:
    """Observes one slot's Envoy.

    Args:
        admin: client of its admin socket.
        access_log: the current access-record file (the real one, not a link to it).
        clock: when windows begin and end.
        node: name of this node, written into every window.
        slot: for example `stable`.
        recording: bounds the records of a busy node; None records what the release says.
        records: look after the access records, which all slots of a node share; the others follow.
        cpu_s: processor seconds that the slot's Envoy has used; None when that is not known.
        files_used_up: how many files Envoy may open, if it has them open; asked when it is silent.
        seen: told every window that is closed.
    """

    def __init__(
        self,
        admin: AdminClient,
        access_log: Path,
        clock: Clock,
        node: NodeName,
        *,
        slot: str = "stable",
        recording: Recording | None = None,
        records: bool = True,
        cpu_s: Callable[[], float | None] = lambda: None,
        files_used_up: Callable[[], int | None] = lambda: None,
        seen: Callable[[Window], None] = lambda _: None,
    ) -> None:
        self._admin, self._access_log, self._clock = admin, access_log, clock
        self._builder = WindowBuilder(node, slot, at_s=clock.monotonic_s())
        self._recording = recording
        self._looks_after_records = records
        self._cpu_s, self._seen = cpu_s, seen
        self._files_used_up = files_used_up
        self._interval_s, self._window_s = STATS_POLL_INTERVAL_S, WINDOW_DURATION_S
        self._lock = asyncio.Lock()
        self._kept: deque[Window] = deque(maxlen=WINDOWS_KEPT_MAX)
        self._closed_s = clock.monotonic_s()
        self._reading: Reading | None = None
        self._answered = False
        self._unanswered = 0
        self._reopen_due = False
        self._reopened: rotation.Identity | None = None
        self._rate = RequestRate()
        self._serving: tuple[ReleaseId, Generation] | None = None
        self._wake = asyncio.Event()
        self._record_notices: tuple[str, ...] = ()
        self._bots: BotSample | None = None

    async def run(self) -> None:
        """Poll until cancelled; at once when another release serves."""
        while True:
            self._wake.clear()
            serving, self._serving = self._serving, None
            if serving is not None:
                await self.commit(*serving)
            await self.poll()
            again_s = STATS_AGAIN_S if self._reading is None else self._interval_s
            await set_within(self._wake, min(again_s, self._interval_s))

    def hurry(self, *, on: bool) -> None:
        """Poll often and close short windows: while a release proves itself."""
        was_s = self._interval_s
        self._interval_s = TRIAL_STATS_INTERVAL_S if on else STATS_POLL_INTERVAL_S
        self._window_s = self._interval_s * _SHORT_WINDOW if on else WINDOW_DURATION_S
        if self._interval_s < was_s:
            self._wake.set()

    def serving(self, release: ReleaseId, generation: Generation) -> None:
        """Say that `release` serves from now on; `run` closes the window of the one before."""
        self._serving = (release, generation)
        self._wake.set()

    async def poll(self) -> Window | None:
        """Read Envoy, look after the access records; the window this poll closed, if any."""
        async with self._lock:
            await self._observe(ADMIN_TIMEOUT_S)
            window = None
            if self._clock.monotonic_s() - self._closed_s >= self._window_s:
                window = self._keep(self._builder.close(**self._now()))
            if self._looks_after_records:
                await self._look_after_records()
            else:
                await self._follow_records()
            await self._reopen()
            return window

    async def commit(self, release: ReleaseId, generation: Generation) -> Window | None:
        """Read Envoy and count for `release` from now on; the window of the release before it.

        Takes at most a second when Envoy hangs.
        """
        async with self._lock:
            observed = await self._observe(_COMMIT_READ_TIMEOUT_S)
            return self._keep(
                self._builder.commit(release, generation, observed=observed, **self._now())
            )

    def windows(self) -> tuple[Window, ...]:
        """Closed windows that were not delivered yet, oldest first; bounded."""
        return tuple(self._kept)

    def accepted(self, windows: Sequence[Window]) -> None:
        """Forget windows that control has accepted."""
        done = {id(window) for window in windows}
        kept = [window for window in self._kept if id(window) not in done]
        self._kept.clear()
        self._kept.extend(kept)

    def bots(self) -> BotSample | None:
        """What the newest records say of bots; None before the first look, and of other slots."""
        return self._bots

    def notices(self) -> tuple[str, ...]:
        """What a person should know now, most important first; bounded."""
        found = (*self._envoy_notices(), *self._record_notices)
        if len(found) <= NOTICES_MAX:
            return found
        return (
            *found[: NOTICES_MAX - 1],
            f"{len(found) - NOTICES_MAX + 1} more notices are not shown.",
        )

    def _now(self) -> dict[str, float]:
        return {"at_s": self._clock.monotonic_s(), "wall_s": self._clock.now_s()}

    async def _observe(self, timeout_s: float) -> bool:
        asked_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(timeout_s):
                self._reading = parse(await self._admin.get("/stats", QUERY))
        except (UnreachableError, TimeoutError):
            self._reading = None
            self._unanswered += 1
            return False
        self._answered, self._unanswered = True, 0
        observed = self._builder.observe(self._reading, at_s=asked_s, cpu_s=self._cpu_s())
        if observed:
            self._rate.read(kinds(self._builder.totals), at_s=asked_s)
        return observed

    def _keep(self, window: Window | None) -> Window | None:
        self._closed_s = self._clock.monotonic_s()
        if window is not None:
            self._kept.append(window)
            self._seen(window)
            drop_oldest(self._kept, WINDOWS_SITES_KEPT_MAX)
        return window

    def _envoy_notices(self) -> Iterator[str]:
        if self._reading is None:
            starting = not self._answered and self._unanswered < STATS_UNANSWERED_TOLD
            if self._builder.release is not None and not starting:
                yield "Envoy's admin socket does not answer, so its statistics are missing."
            if (allowed := self._files_used_up()) is not None:
                yield (
                    f"Envoy has reached its limit of {allowed:,} open files, so it accepts no new "
                    f"connections. Each connection needs two files. {MORE_FILES}"
                )
            return
        if self._reading.garbled or not self._reading.whole:
            yield "Some of Envoy's statistics could not be read and are missing."
        for origin, healthy, total in self._reading.origins():
            if total == 0:
                yield f"Origin {origin} has no address: its name does not resolve."
            elif healthy == 0:
                yield f"Origin {origin} has no healthy endpoint ({total} are down)."
            elif healthy < total:
                yield f"Origin {origin}: {total - healthy} of {total} endpoints are down."

    async def _look_after_records(self) -> None:
        rotated, self._record_notices, self._bots = await asyncio.to_thread(self._rotate_and_sample)
        self._reopen_due = self._reopen_due or rotated

    async def _follow_records(self) -> None:
        """See whether those who look after the records, or others, have moved them."""
        moved = await asyncio.to_thread(rotation.replaced, self._access_log, self._reopened)
        self._reopen_due = self._reopen_due or moved

    async def _reopen(self) -> None:
        """Have this Envoy write where the records are now: into a renamed file it wrote on."""
        if self._reopen_due and self._reading is not None:
            try:
                await self._admin.reopen_logs()
            except UnreachableError:
                return
            self._reopen_due = False
            self._reopened = await asyncio.to_thread(rotation.identity, self._access_log)

    def _rotate_and_sample(self) -> tuple[bool, tuple[str, ...], BotSample]:
        """Everything that touches the disk; whether Envoy must reopen, notices, and bots."""
        bots = bot_sample(records.recent(self._access_log, BOT_SAMPLE_SIZE_BYTES_MAX))
        notices: list[str] = []
        removed = rotation.make_room(self._access_log)
        if notice := rotation.disk_notice(self._access_log.parent, removed=removed):
            notices.append(notice)
        # Envoy goes on writing to a file that was renamed or replaced, by logrotate for example.
        rotated = rotation.replaced(self._access_log, self._reopened)
        if rotation.due(self._access_log):
            try:
                rotation.rotate(self._access_log)
                rotated = True
            except OSError as error:
                notices.append(f"Access records could not be rotated: {error.strerror}.")
        notices += [*self._recording_notice(), *self._forwarding_notice()]
        return rotated, tuple(notices), bots

    def _recording_notice(self) -> Iterator[str]:
        """Fit the shares of recorded requests to the traffic, and say so when it is not all."""
        per_s = self._rate.per_s
        if self._recording is None or per_s is None:
            return
        try:
            self._recording.follow(per_s)
        except OSError as error:
            yield f"The share of recorded requests could not be changed: {error.strerror}."
        if words := self._recording.in_words(per_s):
            yield f"Only part of the requests is recorded: {words}."

    def _forwarding_notice(self) -> tuple[str, ...]:
        newest = records.recent(self._access_log, FORWARDED_SAMPLE_SIZE_BYTES_MAX)
        found = records.untrusted_forwarding(newest)
        if found is None:
            return ()
        notice = (
            f"{found.count} of the last {found.sampled} recorded requests came with an "
            f"x-forwarded-for header from a peer that is not trusted (most from {found.peer}). "
            "If that is your own proxy, add it to trusted_proxies. Otherwise ignore this."
        )
        return (notice,)
