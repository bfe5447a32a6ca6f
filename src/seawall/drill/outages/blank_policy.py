"""Google Cloud, 12 June 2025: a policy row with blank fields, then a herd of restarts."""

from collections.abc import Mapping
from typing import Final

from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene

_SPREAD_S: Final = 2.0
_LUA: Final = """
local ffi = require("ffi")
function envoy_on_request(handle)
  if data["quota"] == "" then ffi.cast("int*", 0)[0] = 1 end
end
"""


def _bounds(data: Mapping[str, str]) -> str:
    return "" if data["quota"] else "the field `quota` of the policy is blank"


async def _deed(scene: Scene) -> None:
    await scene.fleet.release(Change(scene.text(), {"quota": ""}))
    await scene.clock.sleep(_SPREAD_S)
    await scene.fleet.restart()


DRILL: Final = Drill(
    name="blank-policy",
    outage="Google Cloud, 12 June 2025",
    title="blank policy row, then a restart herd",
    story=(
        "A quota policy with blank fields was written and replicated to all regions within "
        "seconds. The code that read it had never run and had no error handling. It crashed in a "
        "loop everywhere, and the restarts overloaded the database behind it. The drill: a policy "
        "with a blank field crashes the data plane; then every Envoy of the fleet is killed at "
        "once. The restart itself costs the same in both arms; Seawall cannot save that."
    ),
    protections=(Protection.BOUNDS, Protection.TASTER, Protection.CANARY),
    flaw=Flaw(_LUA, {"quota": "1000"}),
    bounds=_bounds,
    deed=_deed,
)
