"""Akamai, 22 July 2021: a format error, and a fall back to a minimal default."""

from collections.abc import Mapping
from typing import Final

from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene

_LUA: Final = """
local minimal = string.sub(data["directive"], -1) ~= ";"
function envoy_on_request(handle)
  local host = handle:headers():get(":authority")
  if minimal and host ~= "alpha.test" then
    handle:respond({[":status"] = "404"}, "not in the default configuration")
  end
end
"""


def _bounds(data: Mapping[str, str]) -> str:
    return "" if data["directive"].endswith(";") else "the directive does not end with `;`"


async def _deed(scene: Scene) -> None:
    await scene.fleet.release(Change(scene.text(), {"directive": "balance slot 6145"}))


DRILL: Final = Drill(
    name="minimal-default",
    outage="Akamai, 22 July 2021",
    title="format error, fall back to a minimal default",
    story=(
        "A format error in a directive made a name server fall back to a minimal built-in "
        "configuration that lacked most customers. Alerts during the staged rollout did not stop "
        "it. The drill: a directive without its last character; the data plane then knows only "
        "one site."
    ),
    protections=(Protection.BOUNDS, Protection.TASTER, Protection.CANARY),
    flaw=Flaw(_LUA, {"directive": "balance slot 6145;"}),
    bounds=_bounds,
    deed=_deed,
)
