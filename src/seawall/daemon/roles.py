"""`seawall control` and `seawall node`: the parent process of one of the two roles.

The same supervisor as of `seawall up`, with one child instead of two: it starts the role again when
it ends, stops it on Ctrl-C, and outlives whatever happens to it. Standard library only.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from seawall.daemon.children import Child
from seawall.daemon.manager import tell_manager
from seawall.daemon.up import Supervisor
from seawall.daemon.voice import hold_standard_files
from seawall.errors import SeawallError
from seawall.exit_codes import exit_code

ROLES: Final = ("control", "node")


class Role(Supervisor):
    """Parent of control, or of a node that joined a fleet.

    Args:
        role: one of `ROLES`.
        arguments: of its process, besides the common ones.
    """

    def __init__(self, role: str, data_dir: Path, arguments: Sequence[str], *, json: bool) -> None:
        super().__init__(config=data_dir, data_dir=data_dir, json_output=json)
        self._role = role
        self._role_arguments = list(arguments)

    def _make_children(self, parent_fd: int) -> list[Child]:
        return [Child(self._role, self._data_dir, parent_fd, self._role_arguments)]

    def _start_ready(self) -> None:
        words = {
            "control": "Control is running. To add a machine: seawall token join",
            "node": "The node is running and serves what control assigns",
        }
        where = self._data_dir / "logs" / f"{self._role}.log"
        self._say("started", f"{words[self._role]}. Log: {where}. Ctrl-C stops it.")
        tell_manager("READY=1")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; returns the exit code."""
    hold_standard_files()
    parser = argparse.ArgumentParser(prog="seawall.daemon.roles", allow_abbrev=False)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    data_dir = Path(options.data_dir).absolute()
    arguments = [argument for argument in options.arguments if argument != "--"]
    role = Role(options.role, data_dir, arguments, json=options.format == "json")
    try:
        return role.run()
    except SeawallError as error:
        role.say_error(error)
        return exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
