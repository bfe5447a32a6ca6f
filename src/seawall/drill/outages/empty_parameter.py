"""Cloudflare, 20 February 2026: an empty parameter that means all."""

from typing import Final

from seawall.drill.scene import MANY_SITES, Change, Drill, Protection, Scene


async def _deed(scene: Scene) -> None:
    """The cleanup asks for the sites to delete, with an empty filter, and is given nearly all."""
    kept = MANY_SITES[:3]
    await scene.fleet.release(Change(scene.text(sites=kept), actor="cleanup"))


DRILL: Final = Drill(
    name="empty-parameter",
    outage="Cloudflare, 20 February 2026",
    title="empty parameter means all",
    story=(
        "A cleanup job queried what was pending deletion with a parameter that had no value. The "
        "server took that to mean `all`, and a quarter of the customers' prefixes was withdrawn "
        "within 50 minutes. The drill: a cleanup removes nine of twelve sites from the "
        "configuration."
    ),
    protections=(Protection.GUARD, Protection.TASTER, Protection.CANARY),
    deed=_deed,
    sites=MANY_SITES,
)
