"""Facebook, 4 October 2021: the core is cut off from every edge."""

from typing import Final

from seawall.drill.scene import Drill, Protection, Scene

_CUT_S: Final = 5.0


async def _deed(scene: Scene) -> None:
    await scene.fleet.cut()
    await scene.clock.sleep(_CUT_S)
    await scene.fleet.join()


DRILL: Final = Drill(
    name="core-cut-off",
    outage="Facebook, 4 October 2021",
    title="core cut off from every edge",
    story=(
        "A maintenance command took down the backbone. Edges that could not reach the core "
        "withdrew themselves, which is right for one edge and fatal for all of them. The tools to "
        "repair it were behind the same network. The drill: control is cut off from every node; "
        "the naive node stops serving when it cannot reach the core."
    ),
    protections=(Protection.LAST_KNOWN_GOOD,),
    deed=_deed,
    withdraws=True,
)
