"""What a candidate may not have is given back when it becomes stable, wherever the agent runs."""

import json
import subprocess
import sys

import pytest

_PROGRAM = """
import json, subprocess, sys
from pathlib import Path
from seawall.node.restraint import release, restrain
Path("/proc/self/oom_score_adj").write_text(sys.argv[1])  # as service managers and containers do
with subprocess.Popen(["sleep", "60"]) as envoy:
    score = Path(f"/proc/{envoy.pid}/oom_score_adj")
    found = []
    for step in (lambda _: None, restrain, release):
        step(envoy.pid)
        found.append(int(score.read_text()))
    envoy.kill()
print(json.dumps(found))
"""


@pytest.mark.parametrize(("own", "on_trial"), [(0, 500), (100, 600), (985, 1000)])
def test_who_becomes_stable_is_killed_no_sooner_than_the_agent(own: int, on_trial: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM, str(own)],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(ran.stdout) == [own, on_trial, own]
