"""Starts a sacrificial process: bounded, without a network, and never alive without its parent.

Run as a script, `python -I -S confine.py PARENT BOUNDS COMMAND...`, so that nothing of Seawall and
no package is imported: it replaces itself with the command after a few milliseconds. `PARENT` is
the process that starts it, as that process itself says: whoever asks here for the parent is told
of the one that inherits orphans, when the parent has ended meanwhile. `BOUNDS` is
`CPU_S,ADDRESS_SPACE_BYTES,OPEN_FILES,FILE_SIZE_BYTES`. The limits hold before the command's first
instruction. A kernel or container that allows no network namespace is no reason to stop: what
runs here was made unable to name anything but Unix sockets.
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_NOT_RUN = 127
"""As the dynamic linker and shells say it."""


def main() -> None:
    """Confine this process, then become the command."""
    parent = int(sys.argv[1])
    cpu_s, address_space, open_files, file_size = map(int, sys.argv[2].split(","))
    for kind, value in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, address_space),
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hardest = resource.getrlimit(kind)
        lowered = value if hardest == resource.RLIM_INFINITY else min(value, hardest)
        # The soft limit of CPU time ends the process with a signal of its own.
        resource.setrlimit(kind, (lowered, hardest if kind == resource.RLIMIT_CPU else lowered))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    if os.getppid() != parent:
        sys.exit(1)  # it ended before it could be watched
    try:
        os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606 - no shell is wanted
    except OSError as error:
        print(f"{sys.argv[3]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - to the taster
        sys.exit(_NOT_RUN)


if __name__ == "__main__":
    main()
