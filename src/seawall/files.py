"""What a disk takes. Standard library only: the supervisor imports this file."""

import os
from pathlib import Path
from typing import Final

_PROBE: Final = ".probe"
_MODE: Final = 0o600


def write_error(directory: Path, content: bytes) -> OSError | None:
    """Why no file with `content` can be made in a directory; None when one could.

    Only writing tells: a disk that failed may not say so. On a full one an empty file can be made.
    The file is removed at once.
    """
    path = directory / _PROBE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
            path.unlink()
    except OSError as error:
        return error
    return None
