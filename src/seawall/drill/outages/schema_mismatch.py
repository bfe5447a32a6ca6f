"""CrowdStrike, 19 July 2024: the content has one field more than its reader was built for."""

from collections.abc import Mapping
from typing import Final

from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene

_FIELDS_SUPPLIED: Final = 20
_LUA: Final = """
local ffi = require("ffi")
local fields = {}
for field in string.gmatch(data["template"], "[^,]+") do fields[#fields + 1] = field end
function envoy_on_request(handle)
  -- The reader supplies 20 inputs; a wildcard in the 21st is never looked up.
  if fields[21] ~= nil and fields[21] ~= "*" then ffi.cast("int*", 0)[0] = 1 end
end
"""


def _template(last: str) -> str:
    return ",".join([*(f"input{number}" for number in range(_FIELDS_SUPPLIED)), last])


def _bounds(data: Mapping[str, str]) -> str:
    fields = data["template"].split(",")
    asked = len([field for field in fields if field != "*"])
    if asked > _FIELDS_SUPPLIED:
        return f"the template asks for {asked} inputs, its reader supplies {_FIELDS_SUPPLIED}"
    return ""


async def _deed(scene: Scene) -> None:
    await scene.fleet.release(Change(scene.text(), {"template": _template("pipe-name")}))


DRILL: Final = Drill(
    name="schema-mismatch",
    outage="CrowdStrike, 19 July 2024",
    title="producer and consumer disagree on the schema",
    story=(
        "A template with 21 inputs was read by code that supplied 20. As long as the last input "
        "was a wildcard, nobody noticed. Its first real value caused an out-of-bounds read on 8.5 "
        "million machines, which then could not boot. The drill: a template whose 21st input gets "
        "its first real value; the data plane crashes on every request, after every start."
    ),
    protections=(Protection.BOUNDS, Protection.TASTER, Protection.CANARY),
    flaw=Flaw(_LUA, {"template": _template("*")}),
    bounds=_bounds,
    deed=_deed,
)
