"""AWS us-east-1, 19 October 2025, as everybody else met it: the record of an origin is empty."""

from typing import Final

from seawall.drill.scene import Drill, Protection, Scene

_EMPTY_S: Final = 10.0


async def _deed(scene: Scene) -> None:
    scene.nameserver.emptied()
    await scene.clock.sleep(_EMPTY_S)
    scene.nameserver.filled()


DRILL: Final = Drill(
    name="empty-record",
    outage="AWS us-east-1, 19 October 2025",
    title="an origin's DNS record is empty",
    story=(
        "The record of a regional service had no address for hours, and whoever looked it up "
        "anew could not reach what ran behind it. Here: the name of the origin is answered without "
        "an address for ten seconds, while the origin itself runs; Envoys that ask the system's "
        "resolvers forget where it is."
    ),
    protections=(Protection.LAST_ADDRESSES,),
    deed=_deed,
    by_name=True,
)
