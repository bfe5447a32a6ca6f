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
        "The record of a regional service had no address for hours, so clients that resolved it "
        "again could not reach a service that was still running. The drill: DNS answers the "
        "origin's name without an address for ten seconds, while the origin itself runs; an Envoy "
        "that asks the system's resolvers forgets where it is."
    ),
    protections=(Protection.LAST_ADDRESSES,),
    deed=_deed,
    by_name=True,
)
