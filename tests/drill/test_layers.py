"""What a candidate does to itself, it does to nobody else: faults that the gate did not see."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from seawall.clock import SystemClock
from seawall.drill.flaw import Flaw
from seawall.drill.outages import rule_cpu
from seawall.drill.run import run_guarded
from seawall.drill.scene import NODES, Change, Drill, Protection, Scene
from seawall.limits import DRILL_RATE_PER_S

_LEAKS = """
local ffi = require("ffi")
ffi.cdef("void* malloc(size_t size); void* memset(void* s, int c, size_t n);")
function envoy_on_request(handle)
  if data["cache"] == "unbounded" then ffi.C.memset(ffi.C.malloc(16777216), 1, 16777216) end
end
"""
_HANGS = """
local ffi = require("ffi")
ffi.cdef("int pause(void);")
local seen = 0
function envoy_on_request(handle)
  seen = seen + 1
  while data["cache"] == "unbounded" and seen > 20 do ffi.C.pause() end
end
"""

WAVES = ("the canary", "the rest")
"""Of one node each."""
JUDGED_PER_S = DRILL_RATE_PER_S / NODES
"""Requests a second of each node, as in the command: the judge needs them of the canary."""


async def _release(scene: Scene) -> None:
    await scene.fleet.release(Change(scene.text(), {"cache": "unbounded"}))


def drill(name: str, lua: str) -> Drill:
    return Drill(
        name=name,
        outage="",
        title="",
        story="",
        protections=(Protection.CANARY,),
        flaw=Flaw(lua, {"cache": "bounded"}),
        deed=_release,
    )


@pytest.mark.parametrize(
    "fault",
    [drill("leaks", _LEAKS), drill("hangs", _HANGS), rule_cpu.DRILL],
    ids=lambda d: d.name,
)
def test_a_candidate_harms_no_request_of_the_stable_slot(fault: Drill, tmp_path: Path) -> None:
    off = frozenset({Protection.TASTER})
    few = replace(fault, after_s=1.0, nodes=len(WAVES), rate_per_s=JUDGED_PER_S * len(WAVES))
    found = asyncio.run(run_guarded(few, tmp_path, SystemClock(), off=off))
    assert found.held_by in {"taste", "canary"}, str(found)
    assert found.stable_failed == 0
    assert found.account.exposed_nodes <= 1
