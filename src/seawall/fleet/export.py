"""Every bundle as a file, for mirrors: `DIGEST.bundle` in a directory that is served or copied.

A bundle holds the private keys of the websites' certificates: the files are for their owner alone,
and a mirror must be as private as they are. Bundles that the store has dropped stay until somebody
removes them.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from seawall.clock import Clock
from seawall.errors import SeawallError
from seawall.fleet.mirrors import SUFFIX
from seawall.node.files import private_directory, write_atomic
from seawall.release.store import Store

_LOOK_S: Final = 1.0
_NEWEST: Final = 20


async def keep_exported(
    store: Store, directory: Path, clock: Clock, log: Callable[[str, str], None]
) -> None:
    """Write the newest bundles that are missing in `directory`, until cancelled."""
    trouble = ""
    while True:
        try:
            await asyncio.to_thread(export, store, directory)
            trouble = ""
        except (OSError, SeawallError) as error:
            words = f"{directory}: {error}"
            if words != trouble:
                log("bundles-not-exported", words)
            trouble = words
        await clock.sleep(_LOOK_S)


def export(store: Store, directory: Path) -> None:
    """Write the newest bundles that are missing in `directory`.

    Raises:
        OSError: a file cannot be written.
        SeawallError: the store does not answer.
    """
    private_directory(directory)
    for record in store.list(count_max=_NEWEST):
        path = directory / f"{record.digest}{SUFFIX}"
        if not path.exists():
            write_atomic(path, store.envelope(record.digest))
