"""AWS us-east-1, 19 October 2025: a stale plan over a newer one, and an empty record."""

from collections.abc import Mapping
from typing import Final

from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene

_LUA: Final = """
function envoy_on_request(handle)
  if data["record"] == "" then
    handle:respond({[":status"] = "503"}, "the record has no address")
  end
end
"""


def _bounds(data: Mapping[str, str]) -> str:
    return "" if data["record"] else "the record would have no address"


async def _deed(scene: Scene) -> None:
    """Two enactors read the same plan; the slow one writes when the fast one is done."""
    seen = await scene.fleet.current()
    newer = {"record": "plan-5"}
    await scene.fleet.release(
        Change(scene.text(), newer, parent=seen, actor="enactor one", harmful=False, at_once=True)
    )
    await scene.fleet.release(
        Change(scene.text(), {"record": "plan-3"}, parent=seen, actor="enactor two")
    )
    # The cleanup of enactor one deletes every plan older than its own: the one now in use.
    await scene.fleet.release(Change(scene.text(), {"record": ""}, parent=seen, actor="cleanup"))


DRILL: Final = Drill(
    name="stale-plan",
    outage="AWS us-east-1, 19 October 2025",
    title="stale plan over a newer one, then an empty record",
    story=(
        "Two workers applied DNS plans. The slow one overwrote a newer plan with an old one, "
        "because its check had become stale. The cleanup of the fast one then deleted that old "
        "plan, which left the record of a whole region empty. The drill: two workers and a "
        "cleanup do the same with the record that the data plane reads."
    ),
    protections=(
        Protection.PARENT,
        Protection.BOUNDS,
        Protection.TASTER,
        Protection.CANARY,
    ),
    flaw=Flaw(_LUA, {"record": "plan-2"}),
    bounds=_bounds,
    deed=_deed,
)
