"""The first process of a container lets go of what was left to it, and of nothing else."""

import subprocess
import sys

_FIRST_PROCESS = """
import ctypes, os, signal, subprocess, sys
from seawall.daemon.children import reap_strangers

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans are left to this process
leaves = "import subprocess as s; print(s.Popen(['sleep', '600'], stdout=s.DEVNULL).pid)"
left = subprocess.run([sys.executable, "-c", leaves], stdout=subprocess.PIPE)
stranger = int(left.stdout)
own = subprocess.Popen(["sleep", "600"])
reap_strangers({own.pid})
assert os.path.exists(f"/proc/{stranger}"), "it still runs"
os.kill(stranger, signal.SIGKILL)
os.waitid(os.P_PID, stranger, os.WEXITED | os.WNOWAIT)
reap_strangers({own.pid})
assert not os.path.exists(f"/proc/{stranger}"), "a zombie is left"
own.kill()
os.waitid(os.P_PID, own.pid, os.WEXITED | os.WNOWAIT)
reap_strangers({own.pid})
assert own.wait() == -signal.SIGKILL, "its end was taken from whoever waits for it"
reap_strangers(set())
"""


def test_what_is_left_to_the_first_process_of_a_container_leaves_no_zombie() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", _FIRST_PROCESS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
