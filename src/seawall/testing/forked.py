"""Stands for the workbench in tests of control: the real one, forked where its libraries are warm.

`python -P -m seawall.testing.forked DIR` hands its arguments and standard streams to the process
that listens at the address in `SEAWALL_TESTS_FORK`, which forks the workbench. Each of the two ends
with the other, so that whoever kills or waits for this process does so to the workbench.
`SEAWALL_TESTS_WORKBENCH` names another workbench than that of control: a drill has its own, and a
command can stand there as well.
"""

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final

ADDRESS: Final = "SEAWALL_TESTS_FORK"
PROGRAM: Final = "SEAWALL_TESTS_WORKBENCH"
WORKBENCH: Final = "seawall.api.workbench"
NUMBER_SIZE_BYTES: Final = 64
"""Of a process id or an exit code in digits."""


Order = tuple[str, Sequence[str], str, Mapping[str, str]]
"""Module, arguments, directory, environment."""


def ask(line: socket.socket, address: str, order: Order, files: Mapping[int, int]) -> int:
    """Let a program be forked, with these files at these numbers; its process id.

    Its exit code is the next that comes on the line; who closes the line ends it.
    """
    module, arguments, cwd, env = order
    line.connect("\0" + address)
    request = [module, [*arguments], [*files], cwd, dict(env)]
    socket.send_fds(line, [json.dumps(request).encode()], [*files.values()])
    return int(line.recv(NUMBER_SIZE_BYTES))


def main() -> None:
    """Be the workbench, and end as it ended."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        env = dict(os.environ)
        program = env.pop(PROGRAM, WORKBENCH)
        order = (program, sys.argv[1:], os.getcwd(), env)  # noqa: PTH109 - pathlib is slow to load
        ask(line, os.environ[ADDRESS], order, {number: number for number in range(3)})
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)  # control sees its pipes end when the workbench ends
        os.dup2(nothing, 1)
        code = int(line.recv(NUMBER_SIZE_BYTES) or 1)
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
