"""bunny.net, 22 June 2021: a corrupt file overflows the stack of its decoder."""

from collections.abc import Mapping
from typing import Final

from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene

_DEPTH: Final = 40_000
_DEPTH_MAX: Final = 64
_LUA: Final = """
local ffi = require("ffi")
local depth, deepest = 0, 0
for bracket in string.gmatch(data["database"], "[%[%]]") do
  depth = depth + (bracket == "[" and 1 or -1)
  if depth > deepest then deepest = depth end
end
function envoy_on_request(handle)
  -- The decoder recurses on each request's lookup; its stack ends at some thousand levels.
  if deepest > 10000 then ffi.cast("int*", 0)[0] = 1 end
end
"""


def _bounds(data: Mapping[str, str]) -> str:
    depth = deepest = 0
    for sign in data["database"]:
        depth += {"[": 1, "]": -1}.get(sign, 0)
        deepest = max(deepest, depth)
    if deepest > _DEPTH_MAX:
        return f"the database is nested {deepest} levels deep, at most {_DEPTH_MAX} are allowed"
    return ""


async def _deed(scene: Scene) -> None:
    bomb = "[" * _DEPTH + "]" * _DEPTH
    await scene.fleet.release(Change(scene.text(), {"database": bomb}, actor="generator"))


DRILL: Final = Drill(
    name="decoder-bomb",
    outage="bunny.net, 22 June 2021",
    title="file that overflows its decoder's stack",
    story=(
        "A new, smaller database file was corrupt. The decoder overflowed its stack, which no "
        "handler can catch, and every name server crashed in a loop. The old file could only be "
        "fetched through the same name servers. The drill: a file with a valid checksum that is "
        "nested 40,000 levels deep; the data plane crashes when it looks something up."
    ),
    protections=(Protection.BOUNDS, Protection.TASTER, Protection.CANARY),
    flaw=Flaw(_LUA, {"database": "[[one],[two]]"}),
    bounds=_bounds,
    deed=_deed,
)
