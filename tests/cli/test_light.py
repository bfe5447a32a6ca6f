"""A command is waited for: it loads what it needs to ask, and not what answers."""

import subprocess
import sys

_HEAVY = {"seawall.model", "seawall.telemetry.records", "seawall.rollout.ports", "pydantic", "grpc"}


def test_a_change_loads_no_part_of_the_service() -> None:
    code = f"import sys, seawall.cli.change; print(*({_HEAVY} & sys.modules.keys()))"
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []
