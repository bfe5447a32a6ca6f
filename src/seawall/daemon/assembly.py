"""The parts of the control process, put together: which part is given which.

Nothing here works or decides. Tests use it too, with a clock of their own, so that what is tested
is what runs.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

from seawall.api.configfile import ConfigFile
from seawall.api.hands import Hands
from seawall.api.nodes import NodeBoard
from seawall.api.observer import Observer
from seawall.api.releaser import Releaser
from seawall.api.rollout import Rollout
from seawall.api.roster import Roster
from seawall.api.service import Parts, Service
from seawall.api.status_views import NoticeView
from seawall.api.switchboard import Switchboard
from seawall.api.watched import FileWatch
from seawall.api.workshop import Workshop
from seawall.clock import Clock
from seawall.release.signing import load_or_create_key
from seawall.release.store import Store
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
    """

    def __init__(
        self,
        service: Service,
        *,
        watch: FileWatch,
        switchboard: Switchboard,
        board: NodeBoard,
        workshop: Workshop,
        background: Background,
    ) -> None:
        self.service = service
        self.watch = watch
        self.switchboard = switchboard
        self.board = board
        self.workshop = workshop
        self._background = background

    def start(self) -> None:
        """Begin what control does unasked."""
        self._background.spawn(self.watch.run(), name="file watch")
        self._background.spawn(self.switchboard.run(), name="switchboard")
        self._background.spawn(self.workshop.run(), name="workshop")

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
    ) -> AsyncIterator[Self]:
        """Open the keys of `data_dir` and its store, and take up what was assigned last.

        A `shared` store is used instead of that of `data_dir`, and stays open.

        Raises:
            SeawallError: the store or the keys cannot be used.
        """
        home = data_dir / "control"
        signer = load_or_create_key(home / "signing.key", home / "signing.pub")
        with _opened(shared, home, clock) as store:
            async with contextlib.AsyncExitStack() as stack, Background(log_error) as background:
                board = NodeBoard(clock)
                roster = Roster(store, board, background, log=log)
                await roster.start()
                workshop = Workshop(home, clock, log=log)
                stack.push_async_callback(workshop.close)
                releaser = Releaser(
                    store=store,
                    signer=signer,
                    roster=roster,
                    rollout=Rollout(store, board, roster, clock),
                    workshop=workshop,
                    clock=clock,
                    background=background,
                    log=log,
                    log_error=log_error,
                )
                watch = FileWatch(releaser, workshop, clock, log=log)
                switchboard = Switchboard(releaser, store.audit, clock, log=log)

                def notices() -> tuple[NoticeView, ...]:
                    found = (watch.notice(), releaser.notice(), switchboard.notice())
                    return tuple(notice for notice in found if notice is not None)

                observer = Observer(
                    store=store,
                    board=board,
                    roster=roster,
                    releaser=releaser,
                    clock=clock,
                    data_dir=data_dir,
                    config=ConfigFile(config, workshop.collect) if config else None,
                    notices=notices,
                )
                parts = Parts(
                    store=store,
                    board=board,
                    roster=roster,
                    releaser=releaser,
                    workshop=workshop,
                    observer=observer,
                    hands=Hands(store, switchboard),
                    clock=clock,
                    log=log,
                )
                yield cls(
                    Service(parts),
                    watch=watch,
                    switchboard=switchboard,
                    board=board,
                    workshop=workshop,
                    background=background,
                )


def _opened(
    shared: Store | None, home: Path, clock: Clock
) -> contextlib.AbstractContextManager[Store]:
    if shared is not None:
        return contextlib.nullcontext(shared)
    return Store(home / "seawall.db", clock=clock)
