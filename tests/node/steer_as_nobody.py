"""A trial as an ordinary user: `python steer_as_nobody.py own|adopted DATA_DIR PORT`.

Started as root it becomes the user `nobody` first, like a service does; what is imported later
than that may not be readable any more. `own`: Envoys are children. `adopted`: they are what an
earlier agent left, and nothing may be borrowed from them, as Yama rules for no child of ours.
Prints the mode, whether something was borrowed, and who answered at shares of 0, 1000 and 0.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401 - imported late otherwise
import ctypes
import encodings.idna  # noqa: F401 - the same
import os
import socket
import sys
from pathlib import Path

from node.stage_support import answers, loaded, standing
from node.support import edge
from seawall.errors import RefusedError
from seawall.node.kernel import Kernel

NOBODY = 65534
PR_SET_DUMPABLE = 4


class Watched(Kernel):
    """Tells whether a socket was borrowed; `adopted` refuses it."""

    def __init__(self, *, refuse: bool) -> None:
        self.borrowed = False
        self._refuse = refuse

    def borrow(self, pid: int, descriptor: int) -> socket.socket:
        if self._refuse:
            raise RefusedError("kernel-forbids", "pidfd_getfd (EPERM)")
        found = super().borrow(pid, descriptor)
        self.borrowed = True
        return found


def become_nobody(data_dir: Path) -> None:
    """Give up every right of root, for good."""
    os.chown(data_dir, NOBODY, NOBODY)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


async def main(way: str, data_dir: Path, port: int) -> None:
    old, new = loaded(edge(port, "one")), loaded(edge(port, "two"), "r2")
    if way == "adopted":
        async with standing(data_dir, leave=True) as stand:
            await stand.serve(old)
    kernel = Watched(refuse=way == "adopted")
    async with standing(data_dir, kernel=kernel) as stand:
        await stand.serve(old)
        assert stand.slots.active.process is not None
        assert stand.slots.active.process.adopted is (way == "adopted")
        found = await stand.trials.start(new, old, baseline=True, deadline_s=20)
        assert found.why == "", found
        found = await stand.trials.open()
        assert found.why == "", found
        words = [stand.trials.steering.value, "borrowed" if kernel.borrowed else "anchored"]
        for permille in (0, 1000, 0):
            await stand.trials.steer(permille)
            words += sorted(await answers(port, 60))
        await stand.trials.withdraw(0)
    sys.stdout.write(" ".join(words) + "\n")


if __name__ == "__main__":
    if os.geteuid() == 0:
        become_nobody(Path(sys.argv[2]))
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
