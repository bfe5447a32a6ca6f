"""A connection to PostgreSQL on which nobody waits for ever.

The server ends statements that take too long, and the kernel ends connections whose other end is
gone. Neither helps against a server that is stopped, or a proxy that keeps a connection whose
server is gone: both acknowledge and say nothing. A thread would wait there until the process ends,
and control has few threads. It is imported only where the driver is installed.
"""

from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

import psycopg

from seawall import limits
from seawall.clock import SystemClock

Result = TypeVar("Result")
_CLOCK: Final = SystemClock()


class BoundedConnection(psycopg.Connection[Any]):
    """Closes itself when an answer takes longer than STORE_SILENT_TIMEOUT_S."""

    def wait(self, gen: Generator[Any, Any, Result], *rest: Any, **options: Any) -> Result:
        """See `psycopg.Connection`; the driver asks `gen` anew several times a second."""
        waited: Result = super().wait(_ending(gen, self._give_up), *rest, **options)
        return waited

    def _give_up(self) -> None:
        self.close()
        raise psycopg.OperationalError(
            f"the server has not answered for {limits.STORE_SILENT_TIMEOUT_S} s"
        )


def _ending(
    work: Generator[Any, Any, Result], give_up: Callable[[], None]
) -> Generator[Any, Any, Result]:
    """`work`, but `give_up` is called once it has taken too long and nothing has come."""
    ends_s = _CLOCK.monotonic_s() + limits.STORE_SILENT_TIMEOUT_S
    try:
        wanted = next(work)
        while True:
            ready = yield wanted
            if not ready and _CLOCK.monotonic_s() >= ends_s:
                give_up()
            wanted = work.send(ready)
    except StopIteration as ended:
        result: Result = ended.value
        return result
