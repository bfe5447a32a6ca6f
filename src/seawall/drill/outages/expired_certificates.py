"""Expired control certificates: the core refuses every node, and then the nodes restart."""

from typing import Final

from seawall.drill.scene import Drill, Protection, Scene

_EXPIRED_S: Final = 5.0


async def _deed(scene: Scene) -> None:
    await scene.fleet.cut()
    await scene.fleet.reboot()
    await scene.clock.sleep(_EXPIRED_S)
    await scene.fleet.join()


DRILL: Final = Drill(
    name="expired-certificates",
    outage="Ericsson and O2, 6 December 2018, and many since",
    title="expired control certificates, then a restart",
    story=(
        "A certificate in the software of the core network expired, and 32 million people had no "
        "mobile data for a day. Surveys count about three such outages per company in two years. "
        "The drill: no node gets through to control any more, and every node is restarted with "
        "nothing but its disk; the naive node gets its configuration only from the core."
    ),
    protections=(Protection.LAST_KNOWN_GOOD,),
    deed=_deed,
    boots_from_core=True,
)
