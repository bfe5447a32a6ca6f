"""Looking at the edge: status, metrics, the story of a request. It reads and changes nothing."""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from seawall import __version__
from seawall.api.bot_status import NO_MODEL
from seawall.api.configfile import ConfigFile
from seawall.api.failing import failed_requests, failing_notices, turned_notice
from seawall.api.fleet import FleetDesk, no_desk
from seawall.api.inquiry import refusal, sentences
from seawall.api.job_views import JobsView
from seawall.api.nodes import NodeBoard, Seen
from seawall.api.releaser import Releaser
from seawall.api.releases import release_view
from seawall.api.roster import LOCAL, Roster
from seawall.api.status import Look, status_view
from seawall.api.status_views import (
    CertificateView,
    ControlView,
    NoticeView,
    StatusView,
    WhyView,
)
from seawall.api.watched import AUTHOR
from seawall.api.why_view import why_view
from seawall.api.work import Facts
from seawall.clock import Clock
from seawall.compiler.names import ACCESS_FILE
from seawall.errors import NotFoundError, SeawallError
from seawall.heap import resident_bytes
from seawall.ids import NodeName, ReleaseId, RequestId
from seawall.judge.failing import failing, turned_away
from seawall.limits import FAILING_WINDOWS_PER_S_MAX, VERIFY_RANGES_STALE_S
from seawall.phrases import minute
from seawall.release.store import Store
from seawall.rollout.ports import NodeReport
from seawall.rollout.state import Stage
from seawall.telemetry import records
from seawall.telemetry.bot_sample import BotSample, added
from seawall.telemetry.bot_story import KnownBots
from seawall.telemetry.origin_names import NamesReport
from seawall.telemetry.prometheus import (
    EdgeFacts,
    JobFacts,
    NamesFacts,
    NodeFacts,
    Totals,
    exposition,
)
from seawall.telemetry.why import Known
from seawall.telemetry.window import Window

_DAY_S: Final = 86_400


class Observer:
    """Answers questions about the edge.

    Args:
        data_dir: where the access records are.
        config: the site file this process was started with, if any.
        notices: standing notices of control, asked for at each look with the facts of the current
            release.
        jobs: what control does by itself at intervals.
    """

    def __init__(
        self,
        *,
        store: Store,
        board: NodeBoard,
        roster: Roster,
        releaser: Releaser,
        clock: Clock,
        data_dir: Path,
        config: ConfigFile | None,
        notices: Callable[[Facts | None], tuple[NoticeView, ...]],
        jobs: Callable[[], Awaitable[JobsView]],
    ) -> None:
        self._store = store
        self._board = board
        self._roster = roster
        self._releaser = releaser
        self._clock = clock
        self._data_dir = data_dir
        self._config = config
        self._notices = notices
        self._jobs = jobs
        self._totals = Totals()
        self._failing_told: tuple[NoticeView, ...] = ()
        self._failing_until_s = -math.inf
        # One question at a time, however many ask: each takes one of a few threads for a second.
        self._looking = asyncio.Lock()
        self._rendering = asyncio.Lock()
        self._began_s = clock.monotonic_s()

    def count(self, windows: tuple[Window, ...]) -> None:
        """Add windows of a report to the totals; each exactly once."""
        for window in windows:
            self._totals.add(window)

    async def status(self) -> StatusView:
        """What serves, how it goes, and what is wrong."""
        facts = await self._releaser.current_facts()
        current = self._roster.current
        differs = None
        if self._config is not None and not self._releaser.busy:
            differs = await self._config.differs(current, self._releaser.current_facts)
        return status_view(
            Look(
                now_s=self._clock.now_s(),
                monotonic_s=self._clock.monotonic_s(),
                current=release_view(current, current, self._roster.reports()) if current else None,
                nodes=[(seen, self._board.connected(seen)) for seen in self._board.nodes()],
                windows=list(self._board.windows()),
                certificates=await self._certificates(),
                notices=(
                    *self._notices(facts),
                    *await self._withdrawn(),
                    *await self._failing(),
                    *_stale_ranges(facts, self._clock.now_s()),
                ),
                control=self._control(),
                config_differs=differs,
                busy=self._releaser.busy,
                listeners=facts.listeners if facts else (),
                sample=self._bot_sample(),
                shadow=facts.shadow if facts else NO_MODEL,
                twins=self._board.twins(),
                unheard=self._board.unheard(),
            )
        )

    async def metrics(self) -> bytes:
        """Prometheus text."""
        certificates = await self._certificates()
        count = await asyncio.to_thread(self._store.count)
        current = await self._releaser.current_facts()
        facts = EdgeFacts(
            jobs=_job_facts(await self._jobs()),
            ranges=tuple(
                (one.name, one.fetched_s)
                for one in (current.feeds if current else ())
                if one.fetched_s is not None
            ),
            nodes=tuple(self._node_facts(seen) for seen in self._board.nodes()),
            releases=count,
            certificates=tuple(
                (view.name, view.not_before_s, view.not_after_s) for view in certificates
            ),
            sites=None if current is None else current.sites,
        )
        async with self._rendering:
            return await asyncio.to_thread(exposition, self._totals.samples(facts))

    async def why(self, request_id: RequestId, fleet: FleetDesk | None, node: str = "") -> WhyView:
        """The story of one request: from this machine's records, or from those of a fleet's nodes.

        Args:
            request_id: as the client got it.
            fleet: None where no nodes of other machines are listened for.
            node: the only one to ask; empty for this machine first, and then all.

        Raises:
            UsageError: it cannot be a request id, or there is no fleet whose node could be asked.
            NotFoundError: no record of it is kept, or there is no such node.
            UnreachableError: it was not found, and not every node has searched.
        """
        records.require_request_id(request_id)
        if fleet is None and node not in ("", LOCAL):
            raise no_desk()
        if fleet is None or not node:
            try:
                return await self._why_here(request_id)
            except NotFoundError:
                if fleet is None:
                    raise
        found = await fleet.records.find(request_id, node)
        if found.record is None:
            raise refusal(found, None if fleet.lead.leading else fleet.lead.leader)
        heard = fleet.heard(NodeName(found.node))
        known = await self._known(found.record, heard.report if heard else None)
        where = tuple(sentences(found))
        return why_view(found.record, known, node=found.node, also=found.also, before=where)

    async def _why_here(self, request_id: RequestId) -> WhyView:
        path = self._data_dir / "access" / ACCESS_FILE
        async with self._looking:
            record = await asyncio.to_thread(records.find, path, request_id)
        return why_view(record, await self._known(record, self._roster.report()))

    async def _known(self, record: records.AccessRecord, report: NodeReport | None) -> Known:
        """What is known beside a record: what its node serves now, the model and the policy."""
        serving = report.release if report and report.release else ""
        async with self._looking:
            bots = await asyncio.to_thread(_known_bots, self._store, record)
        names = report.names if report is not None else None
        return Known(serving=serving, bots=bots, remembered=_remembered(names))

    async def _withdrawn(self) -> tuple[NoticeView, ...]:
        """That what a person released went back while it baked: nobody waited for it any more.

        Of files on disk, whoever watches them says it, and when they are tried again.
        """
        try:
            before = await self._roster.gone_back_from()
        except SeawallError:
            return ()  # the store says so itself, or what it dropped is of no use any more
        current = self._roster.current
        if before is None or current is None:
            return ()
        if before.stage != Stage.ROLLED_BACK or before.author == AUTHOR:
            return ()
        words = (
            f"{before.id} did not last: it was withdrawn while it baked, and {current.id} serves "
            "again."
        )
        remedy = (
            f"`seawall rollout {before.id}` shows why. Fix the cause, which may be an origin, and "
            "apply again."
        )
        return (NoticeView("warning", "last-release-withdrawn", words, remedy),)

    async def _failing(self) -> tuple[NoticeView, ...]:
        """Sites that answer with errors, each with a request to ask about, or turn many away.

        Much is looked at in a large fleet, so what was found there is told again for some seconds.
        """
        if self._clock.monotonic_s() < self._failing_until_s:
            return self._failing_told
        evidence = self._board.evidence()
        path = self._data_dir / "access" / ACCESS_FILE
        self._failing_told = await asyncio.to_thread(
            _failing_notices, evidence, self._roster.newest, self._clock.now_s(), path
        )
        rest_s = len(evidence) / FAILING_WINDOWS_PER_S_MAX
        self._failing_until_s = self._clock.monotonic_s() + rest_s
        return self._failing_told

    def _bot_sample(self) -> BotSample:
        """Of the newest records of every node that was heard lately and says so."""
        heard = (seen.report.bots for seen in self._board.nodes() if self._board.connected(seen))
        return added(sample for sample in heard if sample is not None)

    async def _certificates(self) -> tuple[CertificateView, ...]:
        """Of the current release, with the days they have left now."""
        facts = await self._releaser.current_facts()
        now_s = self._clock.now_s()
        return tuple(
            replace(view, days_left=int((view.not_after_s - now_s) // _DAY_S))
            for view in (facts.certificates if facts else ())
        )

    def _control(self) -> ControlView:
        return ControlView(
            pid=os.getpid(),
            version=__version__,
            uptime_s=round(self._clock.monotonic_s() - self._began_s, 1),
            memory_bytes=resident_bytes(),
            config=str(self._config.path) if self._config else "",
            data_dir=str(self._data_dir),
        )

    def _node_facts(self, seen: Seen) -> NodeFacts:
        report = seen.report
        envoy = report.envoy
        return NodeFacts(
            name=report.node,
            generation=report.generation,
            connected=self._board.connected(seen),
            notices=len(report.notices),
            release=report.release,
            envoy_version=envoy.version if envoy else None,
            envoy_live=envoy.live if envoy else None,
            envoy_restarts=envoy.restarts if envoy else None,
            envoy_heap_bytes=envoy.memory_bytes if envoy else None,
            names=_names_facts(report.names) if report.names else None,
        )


def _failing_notices(
    evidence: Sequence[Window], release: ReleaseId | None, now_s: float, path: Path
) -> tuple[NoticeView, ...]:
    turned = turned_away(evidence, release, now_s)
    notices = () if turned is None else (turned_notice(turned, release or "", now_s),)
    found = failing(evidence, release, now_s)
    examples = failed_requests(path, [one.site for one in found]) if found else {}
    return (*failing_notices(found, release or "", examples, now_s), *notices)


def _remembered(names: NamesReport | None) -> dict[str, str]:
    """By address, which name of an origin leads there from memory only."""
    return {
        address: f"of {stale.name} DNS says '{stale.why}' since {minute(stale.since_s)}"
        for stale in (names.names if names is not None else ())
        for address in stale.addresses
    }


def _names_facts(names: NamesReport) -> NamesFacts:
    return NamesFacts(
        up=names.port != 0,
        remembered=names.remembered,
        stale=names.stale,
        questions=names.questions,
        forwarded=names.forwarded,
        from_memory=names.from_memory,
    )


def _known_bots(store: Store, record: records.AccessRecord) -> KnownBots:
    """What only a story needs is loaded with the first one: it takes more than all of `status`."""
    from seawall.api.explained import known_bots  # noqa: PLC0415 - see above

    return known_bots(store, record)


def _stale_ranges(facts: Facts | None, now_s: float) -> Iterator[NoticeView]:
    """One notice for all lists of published ranges that are too old to exclude anybody."""
    old = [
        f"{one.name} ({(now_s - one.fetched_s) / _DAY_S:.0f} days)"
        for one in (facts.feeds if facts else ())
        if one.fetched_s is not None and now_s - one.fetched_s > VERIFY_RANGES_STALE_S
    ]
    if old:
        yield NoticeView(
            "warning",
            "bot-ranges-stale",
            f"Published ranges are old: {', '.join(old)}. They still verify bots, but no longer "
            "expose impostors.",
            "`bots: {ranges: {every: 24h}}` in the site file keeps pushed lists up to date. "
            "`seawall bots fetch-ranges` shows what is wrong with a list.",
        )


def _job_facts(view: JobsView) -> tuple[JobFacts, ...]:
    return tuple(
        JobFacts(
            name=one.job,
            running=one.running,
            stale=one.stale,
            failures=one.failures,
            outcome=one.outcome,
            good_s=one.good_s,
            due_s=one.due_s,
        )
        for one in view.jobs
        if one.every_s is not None
    )
