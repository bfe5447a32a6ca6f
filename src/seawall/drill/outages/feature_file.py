"""Cloudflare, 18 November 2025: a machine-made feature file over a limit nobody had met."""

from collections.abc import Mapping
from typing import Final

from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene

_FEATURES_MAX: Final = 200
_CYCLES: Final = 4
_CYCLE_S: Final = 1.5
_GOOD: Final = tuple(f"feature_{number:03d}" for number in range(60))
# The query without a database filter saw every column again under other databases.
_BAD: Final = tuple(name for name in _GOOD for _ in range(4)) + _GOOD[:20]

_LUA: Final = """
local count = 0
for _ in string.gmatch(data["features"], "[^,]+") do count = count + 1 end
function envoy_on_request(handle)
  if count > 200 then
    handle:respond({[":status"] = "500"}, "called unwrap() on an Err value")
  end
end
"""


def _bounds(data: Mapping[str, str]) -> str:
    names = data["features"].split(",")
    if len(names) > _FEATURES_MAX:
        return f"{len(names)} features, at most {_FEATURES_MAX} are allowed"
    twice = len(names) - len(set(names))
    return f"{twice} of {len(names)} features are there twice" if twice else ""


async def _deed(scene: Scene) -> None:
    """The generator runs every cycle; every second one asks a database that has the new grant."""
    for cycle in range(_CYCLES):
        await scene.fleet.release(_made(scene, bad=cycle % 2 == 0))
        await scene.clock.sleep(_CYCLE_S)
    await scene.fleet.release(_made(scene, bad=True))


def _made(scene: Scene, *, bad: bool) -> Change:
    features = ",".join(_BAD if bad else _GOOD)
    return Change(scene.text(), {"features": features}, actor="generator", harmful=bad)


DRILL: Final = Drill(
    name="feature-file",
    outage="Cloudflare, 18 November 2025",
    title="oversized, duplicated feature file from a flapping generator",
    story=(
        "A query without a database filter saw columns twice, so a file that is made every five "
        "minutes grew over the 200 features that the proxy had memory for; the proxy panicked. "
        "Only some database nodes had the change at first, so good and bad files took turns. "
        "Here: a generator makes a file of 260 features, 200 of them duplicates, in every second "
        "cycle, and at last always; the data plane answers 500 above 200."
    ),
    protections=(Protection.BOUNDS, Protection.TASTER, Protection.CANARY),
    flaw=Flaw(_LUA, {"features": ",".join(_GOOD)}),
    bounds=_bounds,
    deed=_deed,
)
