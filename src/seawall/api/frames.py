"""Frames between control and its workbench: a length and a pickle, over a private socket.

Both ends are one program of one user; nothing else writes to it.
"""

import asyncio
import pickle
import struct
from typing import Any, BinaryIO, Final

_HEADER: Final = struct.Struct(">Q")


def framed(value: object) -> tuple[bytes, bytes]:
    """The two parts of a frame."""
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return _HEADER.pack(len(body)), body


def write(stream: BinaryIO, value: object) -> None:
    """Send a frame; blocks."""
    stream.writelines(framed(value))
    stream.flush()


def read(stream: BinaryIO) -> Any:
    """The next frame, None at the end of them; blocks."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    return pickle.loads(stream.read(_HEADER.unpack(header)[0]))  # noqa: S301 - see above


async def receive(stream: asyncio.StreamReader) -> Any:
    """The next frame.

    Raises:
        IncompleteReadError: the other end is gone.
    """
    size = _HEADER.unpack(await stream.readexactly(_HEADER.size))[0]
    return pickle.loads(await stream.readexactly(size))  # noqa: S301 - see above
