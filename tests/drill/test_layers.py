"""What a candidate does to itself, it does to nobody else: faults that the gate did not see."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from seawall.clock import SystemClock
from seawall.drill.flaw import Flaw
from seawall.drill.outages import rule_cpu
from seawall.drill.run import run_guarded
from seawall.drill.scene import Change, Drill, Protection, Scene

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
        after_s=1.0,
    )


@pytest.mark.parametrize(
    "fault",
    [drill("leaks", _LEAKS), drill("hangs", _HANGS), replace(rule_cpu.DRILL, after_s=1.0)],
    ids=lambda d: d.name,
)
def test_a_candidate_harms_no_request_of_the_stable_slot(fault: Drill, tmp_path: Path) -> None:
    off = frozenset({Protection.TASTER})
    found = asyncio.run(run_guarded(fault, tmp_path, SystemClock(), off=off))
    assert found.held_by in {"taste", "canary"}, str(found)
    assert found.stable_failed == 0
    assert found.account.exposed_nodes <= 1
