"""Memory that is freed goes back to the machine, in a process set up as control and node are."""

import subprocess
import sys

import pytest

from seawall.heap import resident_bytes

_PROGRAM = """
from seawall.heap import keep_small, resident_bytes
keep_small()
bytearray(4_000_000)  # glibc alone would now keep blocks of up to this size in its heap
before = resident_bytes()
kept, blocks = [], []
for _ in range(200):
    blocks.append(bytearray(200_000))
    kept.append(bytearray(2_000))  # what stays must not hold what goes
held = resident_bytes()
blocks.clear()
print(held - before, resident_bytes() - before)
"""


@pytest.mark.skipif(resident_bytes() == 0, reason="this kernel does not tell")
def test_large_blocks_go_back_at_once_although_small_ones_between_them_stay() -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM], capture_output=True, check=True, timeout=60
    )
    held, left = map(int, ran.stdout.split())
    assert held > 35_000_000
    assert left < 5_000_000


_SETTLED = """
import gc
import weakref
import seawall.daemon.control_process
from seawall.heap import give_back, settle
class Cycle: pass
settle()
cycle = Cycle()
cycle.own, gone = cycle, weakref.ref(cycle)
looked_at = len(gc.get_objects())
del cycle
give_back()
print(looked_at, gc.get_freeze_count(), gone() is None)
"""


def test_what_was_imported_is_not_searched_for_garbage_and_what_comes_later_is() -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", _SETTLED], capture_output=True, check=True, timeout=60
    )
    looked_at, kept, collected = ran.stdout.decode().split()
    assert int(looked_at) < 1_000
    assert int(kept) > 50_000
    assert collected == "True"
