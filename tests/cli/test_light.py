"""A command is waited for: it loads what it needs to ask, and not what answers."""

import subprocess
import sys

from seawall.exit_codes import REFUSED

_HEAVY = {"seawall.model", "seawall.telemetry.records", "seawall.rollout.ports", "pydantic", "grpc"}


def test_a_change_loads_no_part_of_the_service() -> None:
    code = f"import sys, seawall.cli.change; print(*({_HEAVY} & sys.modules.keys()))"
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []


def test_ctrl_c_while_a_command_loads_ends_it_without_a_traceback() -> None:
    code = (
        "import sys\n"
        "class Typed:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Typed())\n"
        "from seawall.cli.entry import main\n"
        "main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (REFUSED, "")
