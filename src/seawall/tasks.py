"""Tasks that outlive the call that began them, without losing them or their errors.

`asyncio.create_task` is banned: the loop keeps only a weak reference, and an error in a lost task
is told to nobody. A `Background` holds its tasks, reports each error once, and ends them all.
Prefer `asyncio.TaskGroup` where the tasks end together and one failure should end the others.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from seawall.clock import Clock
from seawall.limits import STANDING_WORK_PAUSE_S

ResultT = TypeVar("ResultT")


class Background:
    """An owner of tasks, used as an async context manager; leaving it cancels and awaits them.

    Args:
        on_error: told the name of the task and its exception; must not raise.
    """

    def __init__(self, on_error: Callable[[str, BaseException], None]) -> None:
        self._on_error = on_error
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Start `work`; its reference is kept until it ends, its error goes to `on_error`."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def keep(
        self, work: Callable[[], Coroutine[Any, Any, None]], clock: Clock, *, name: str
    ) -> asyncio.Task[Any]:
        """Start work that never ends; when it does, by an error, it begins anew after a pause.

        Each of its errors goes to `on_error`.
        """
        return self.spawn(self._kept(work, clock, name), name=name)

    async def _kept(
        self, work: Callable[[], Coroutine[Any, Any, None]], clock: Clock, name: str
    ) -> NoReturn:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - a defect must not end what watches the edge
                self._on_error(name, error)
            await clock.sleep(STANDING_WORK_PAUSE_S)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._on_error(task.get_name(), error)

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


async def set_within(event: asyncio.Event, patience_s: float | None) -> bool:
    """Wait until `event` is set; False when it was not in time. None waits as long as it takes."""
    try:
        async with asyncio.timeout(patience_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, ResultT]) -> AsyncIterator[asyncio.Task[ResultT]]:
    """Run `work` beside the block; it is cancelled when the block ends without it."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,))
