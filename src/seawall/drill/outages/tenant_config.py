"""Fastly, 8 June 2021: one customer's valid configuration crashes the proxy."""

from typing import Final

from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene

_LUA: Final = """
local ffi = require("ffi")
function envoy_on_response(handle)
  if handle:headers():get("x-shop-mode") == "surge" then ffi.cast("int*", 0)[0] = 1 end
end
"""
_CHANGE: Final = "    headers: {response: {set: {x-shop-mode: surge}}}\n"


async def _deed(scene: Scene) -> None:
    await scene.fleet.release(Change(scene.text(charlie=_CHANGE), actor="tenant charlie"))


DRILL: Final = Drill(
    name="tenant-config",
    outage="Fastly, 8 June 2021",
    title="valid tenant configuration that crashes the proxy",
    story=(
        "A release of the proxy had contained a bug for 27 days. One customer's valid change "
        "triggered it, and 85 % of the network answered errors. The drill: one site of four sets "
        "a response header, which is valid; the data plane crashes when it sends that header."
    ),
    protections=(Protection.TASTER, Protection.CANARY),
    flaw=Flaw(_LUA),
    deed=_deed,
)
