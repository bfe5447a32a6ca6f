"""Azure Front Door, 29 October 2025: a crash minutes after the load, and a poisoned last good."""

from typing import Final

from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene

_LUA: Final = """
local ffi = require("ffi")
local born = os.time()
function envoy_on_request(handle)
  if data["metadata"] == "mixed" and os.time() - born >= 3 then ffi.cast("int*", 0)[0] = 1 end
end
"""


async def _deed(scene: Scene) -> None:
    await scene.fleet.release(Change(scene.text(), {"metadata": "mixed"}))


DRILL: Final = Drill(
    name="slow-poison",
    outage="Azure Front Door, 29 October 2025",
    title="crash minutes after load, last known good poisoned",
    story=(
        "A valid sequence of changes produced metadata that crashed the data plane in "
        "asynchronous work, about five minutes after it was loaded. By then the staged health "
        "checks had passed, and the bad configuration had become last known good. The drill: the "
        "data plane crashes three seconds after it has taken the release. The canary's soak is "
        "longer than that. An operator's soak must likewise be longer than the longest "
        "asynchronous effect that the operator knows of."
    ),
    protections=(Protection.CANARY,),
    flaw=Flaw(_LUA, {"metadata": "one build"}),
    deed=_deed,
    after_s=6.0,
)
