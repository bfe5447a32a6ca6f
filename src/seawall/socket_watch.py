"""A Unix socket whose file somebody takes away, as cleaners of old files do, is listened on anew.

Who is connected stays with the server of before, which nobody new can find.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from seawall.clock import Clock
from seawall.errors import SeawallError
from seawall.limits import SOCKET_LOOK_S, SOCKETS_MADE_AGAIN_MAX
from seawall.sockets import inode


async def listen_again(
    path: Path, bound: int, listen: Callable[[], Awaitable[None]], clock: Clock
) -> None:
    """Look after a socket, until cancelled or until it was gone too often.

    Args:
        path: of its file.
        bound: the inode that it was bound to.
        listen: binds it anew and serves there; may raise `OSError`, `SeawallError` or
            `RuntimeError`, as when its directory is gone too, and is tried again.
        clock: between looks.
    """
    made = 0
    while made < SOCKETS_MADE_AGAIN_MAX:
        await clock.sleep(SOCKET_LOOK_S)
        if inode(path) == bound != 0:  # 0: gone again before it was looked at
            continue
        with suppress(OSError, SeawallError, RuntimeError):
            await listen()
            bound, made = inode(path), made + 1
