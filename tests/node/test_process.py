"""What the agent sees of the files that an Envoy may open."""

import subprocess
import sys
from pathlib import Path

from seawall.node.process import files_used_up

HOLDER = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
for _ in range(int(sys.argv[1])):
    try:
        held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        break
print("ready", flush=True)
sys.stdin.read()
"""


def test_only_a_process_that_has_all_its_files_open_has_used_them_up(tmp_path: Path) -> None:
    assert files_used_up(tmp_path) is None
    for count, found in ((10, None), (1000, 64)):
        command = [sys.executable, "-c", HOLDER, str(count)]
        with subprocess.Popen(
            command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"ready\n"
            assert files_used_up(tmp_path) == found
            holder.communicate()
