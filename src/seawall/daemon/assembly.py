"""The parts of the control process, put together: which part is given which.

Nothing here works or decides. Tests use it too, with a clock of their own, so that what is tested
is what runs.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - this is where the process seeds its randomness
from typing import Any, Self

from seawall import limits
from seawall.api.bench_process import WORKBENCH, BenchProcess
from seawall.api.configfile import ConfigFile
from seawall.api.deeds import Deeds
from seawall.api.feed_desk import FeedDesk
from seawall.api.fleet_watch import FleetWatch
from seawall.api.follower import Follower
from seawall.api.hands import Hands
from seawall.api.jobs import JobRunner
from seawall.api.key_watch import KeyWatch
from seawall.api.nodes import NodeBoard
from seawall.api.observer import Observer
from seawall.api.releaser import Releaser
from seawall.api.rollouts import Rollouts
from seawall.api.roster import Roster
from seawall.api.service import Parts, Service
from seawall.api.shadow_desk import ShadowDesk
from seawall.api.status_views import NoticeView
from seawall.api.switchboard import Switchboard
from seawall.api.watched import FileWatch
from seawall.api.work import Facts
from seawall.api.workshop import Workshop
from seawall.clock import Clock
from seawall.daemon.standin import original_of
from seawall.errors import SeawallError
from seawall.release.signing import load_or_create_key
from seawall.release.store import Store
from seawall.rollout.book import Book
from seawall.rollout.execute import Executor
from seawall.rollout.orders import NOBODY
from seawall.tasks import Background

Log = Callable[[str, str], None]
LogError = Callable[[str, BaseException], None]


class Control:
    """Everything control is made of, without its listening sockets.

    Attributes:
        service: what the API serves.
        board: what nodes said last.
        watch: of the files that the current release was built from.
        switchboard: throws kill switches, and ends them in time.
        workshop: where site files are checked and compiled.
        executor: brings releases to nodes.
        releaser: makes them.
    """

    def __init__(
        self,
        service: Service,
        *,
        watch: FileWatch,
        switchboard: Switchboard,
        board: NodeBoard,
        workshop: Workshop,
        executor: Executor,
        releaser: Releaser,
        background: Background,
        clock: Clock,
    ) -> None:
        self.service = service
        self.watch = watch
        self.switchboard = switchboard
        self.board = board
        self.workshop = workshop
        self.executor = executor
        self.releaser = releaser
        self._background = background
        self._clock = clock
        self._carries_out = False

    def carry_out(self) -> None:
        """Begin to carry out rollouts; in one process of those that share a store."""
        if not self._carries_out:
            self._carries_out = True
            self._background.spawn(self.executor.run(), name="executor")

    def start(self, *, one_of_several: bool = False) -> None:
        """Begin what control does unasked; of several that share a store, in the one that leads."""
        self.carry_out()
        self.watch.one_of_several = one_of_several
        hands = self.service.hands
        self._keep(self.watch.run, name="file watch")
        self._keep(self.switchboard.run, name="switchboard")
        self._background.spawn(self.releaser.look_back(), name="last release")
        self._background.spawn(hands.desk.take_up(), name="waiting feeds")
        self._keep(hands.keys.run, name="key watch")
        self._keep(self.service.fleet_watch.run, name="fleet watch")
        self._keep(hands.jobs.run, name="jobs")
        self._keep(self.workshop.run, name="workshop")

    def follow(self) -> None:
        """Keep up with the process that leads, and change nothing."""

        async def follow() -> None:
            while True:
                await self._clock.sleep(limits.FOLLOWER_REFRESH_S)
                with contextlib.suppress(SeawallError):
                    await self.executor.refresh()

        if self.service.hands.rollouts is not None:  # nodes report to the process that leads
            self.service.hands.rollouts.inventory = lambda: NOBODY
        self._keep(follow, name="follower")
        self._keep(self.workshop.run, name="workshop")

    def _keep(self, work: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
        self._background.keep(work, self._clock, name=name)

    def close_polls(self) -> None:
        """End the long polls of nodes, so that the server can stop."""
        self.board.close()

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls,
        data_dir: Path,
        config: Path | None,
        clock: Clock,
        *,
        log: Log,
        log_error: LogError,
        shared: Store | None = None,
        workbench: str = WORKBENCH,
        first: BenchProcess | None = None,
    ) -> AsyncIterator[Self]:
        """Open the keys of `data_dir` and its store, and take up what was assigned last.

        A `shared` store is used instead of that of `data_dir`, and stays open. The module
        `workbench` is run as the workbench; `first` is one that was started already.

        Raises:
            SeawallError: the store or the keys cannot be used.
        """
        home = data_dir / "control"
        signer = load_or_create_key(home / "signing.key", home / "signing.pub")
        async with contextlib.AsyncExitStack() as stack:
            workshop = Workshop(home, clock, log=log, program=workbench, first=first)
            stack.push_async_callback(workshop.close)
            store = stack.enter_context(_opened(shared, home, clock))
            background = await stack.enter_async_context(Background(log_error))
            board = NodeBoard(clock)
            roster = Roster(store, board, signer.public)
            book = Book(store.database, clock)
            executor = Executor(
                book, board, clock, on_fleet=roster.take_up, log=log, log_error=log_error
            )
            await executor.start()
            rollouts = Rollouts(executor, book, board.inventory)
            releaser = Releaser(
                store=store,
                signer=signer,
                roster=roster,
                follower=Follower(store, rollouts, roster, clock),
                rollouts=rollouts,
                workshop=workshop,
                clock=clock,
                background=background,
                log=log,
                log_error=log_error,
            )
            core = _Core(store, board, roster, rollouts, workshop, releaser, clock, background, log)
            service, watch, switchboard = core.surface(data_dir, config)
            yield cls(
                service,
                watch=watch,
                switchboard=switchboard,
                board=board,
                workshop=workshop,
                executor=executor,
                releaser=releaser,
                background=background,
                clock=clock,
            )


@dataclass(frozen=True)
class _Core:
    """What brings releases out; around it stands what people and programs touch."""

    store: Store
    board: NodeBoard
    roster: Roster
    rollouts: Rollouts
    workshop: Workshop
    releaser: Releaser
    clock: Clock
    background: Background
    log: Log

    def surface(
        self, data_dir: Path, config: Path | None
    ) -> tuple[Service, FileWatch, Switchboard]:
        """The service, and what works beside it."""
        clock, log, releaser = self.clock, self.log, self.releaser
        watch = FileWatch(releaser, self.workshop, clock, log=log)
        deeds = Deeds(self.store.audit, self.background, log=log)
        switchboard = Switchboard(releaser, deeds, clock, log=log)
        keys = KeyWatch(releaser, clock, log=log)
        desk = FeedDesk(
            *(releaser, self.rollouts, self.store, self.workshop, clock),
            deeds=deeds,
            background=self.background,
            log=log,
        )
        jobs = JobRunner(
            self.store,
            releaser,
            clock,
            deeds=deeds,
            data_dir=data_dir,
            background=self.background,
            chance=Random(os.urandom(16)).random,  # noqa: S311 - spreads due times, not a secret
            log=log,
        )

        def notices(facts: Facts | None) -> tuple[NoticeView, ...]:
            parts = (self.workshop, watch, releaser, switchboard, keys, self.rollouts)
            found = [_copied(data_dir), *(part.notice() for part in parts)]
            told = (notice for notice in found if notice is not None)
            return (*told, *desk.notices(facts), *jobs.notices())

        observer = Observer(
            store=self.store,
            board=self.board,
            roster=self.roster,
            releaser=releaser,
            clock=clock,
            data_dir=data_dir,
            config=ConfigFile(config, self.workshop.collect) if config else None,
            notices=notices,
            jobs=jobs.view,
        )
        shadows = ShadowDesk(releaser, switchboard.turn, deeds, data_dir)
        hands = Hands(self.store, switchboard, keys, jobs, shadows, desk=desk, deeds=deeds)
        hands.rollouts = self.rollouts
        parts = Parts(
            store=self.store,
            board=self.board,
            roster=self.roster,
            releaser=releaser,
            workshop=self.workshop,
            observer=observer,
            hands=hands,
            fleet_watch=FleetWatch(self.rollouts, clock, log=log),
            clock=clock,
            log=log,
        )
        return Service(parts), watch, switchboard


def _opened(
    shared: Store | None, home: Path, clock: Clock
) -> contextlib.AbstractContextManager[Store]:
    if shared is not None:
        return contextlib.nullcontext(shared)
    return Store(home / "seawall.db", clock=clock)


def _copied(data_dir: Path) -> NoticeView | None:
    """That all of this is a copy in memory, when it is one."""
    original = original_of(data_dir)
    if not original:
        return None
    return NoticeView(
        "warning",
        "data-dir-copied",
        f"The data directory {original} accepts no new files. Seawall works on a copy in memory "
        "instead: new releases and records are lost when it stops.",
        "Make the disk writable again, then restart Seawall.",
    )
