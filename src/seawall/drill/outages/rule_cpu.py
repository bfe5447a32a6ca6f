"""Cloudflare, 2 July 2019: a rule that eats the processor, in a mode that only logs."""

from typing import Final

from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene

_LUA: Final = """
local catastrophic = data["rule"] == ".*(?:.*=.*)"
function envoy_on_request(handle)
  if not catastrophic then return end
  local stop = os.clock() + 0.15
  while os.clock() < stop do end
end
"""


async def _deed(scene: Scene) -> None:
    await scene.fleet.release(Change(scene.text(), {"rule": ".*(?:.*=.*)"}))


DRILL: Final = Drill(
    name="rule-cpu",
    outage="Cloudflare, 2 July 2019",
    title="rule that eats CPU, in simulate mode",
    story=(
        "A new firewall rule was pushed to the whole network in simulate mode, in which rules run "
        "but decide nothing. Its regular expression backtracked and kept every CPU busy. The "
        "drill: a rule that uses 150 ms of CPU time per request and decides nothing."
    ),
    protections=(Protection.TASTER, Protection.CANARY),
    flaw=Flaw(_LUA, {"rule": "[^=]*=[^=]*"}),
    deed=_deed,
)
