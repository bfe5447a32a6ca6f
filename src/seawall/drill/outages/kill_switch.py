"""Cloudflare, 5 December 2025: a kill switch on a path that had never been switched."""

from typing import Final

from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene
from seawall.model import Feature

_LUA: Final = """
local rule = {action = "execute", execute = {results = "ok"}}
if data["killed"] == "bots" then rule.execute = nil end
function envoy_on_request(handle)
  local done, problem = pcall(function() return rule.execute.results end)
  if not done then handle:respond({[":status"] = "500"}, problem) end
end
"""


async def _deed(scene: Scene) -> None:
    await scene.fleet.release(Change(scene.text(), kill=Feature.BOTS))


DRILL: Final = Drill(
    name="kill-switch",
    outage="Cloudflare, 5 December 2025",
    title="kill switch on an untested path",
    story=(
        "To make room for a larger body buffer, a test tool was turned off with the global switch "
        "system, which reaches every machine within seconds. A rule of the kind `execute` had "
        "never been turned off before: the code read a field of a missing value and answered 500. "
        "The drill: the feature `bots` is killed, by the path that all kill switches take; the "
        "data plane then answers 500."
    ),
    protections=(Protection.TASTER, Protection.CANARY),
    flaw=Flaw(_LUA),
    deed=_deed,
)
