"""The nodes of a fleet on a screen."""

from rich.console import Group, RenderableType

from seawall.api.fleet_views import FleetNodeView, FleetView
from seawall.console.output import styled
from seawall.console.releases import plain_table
from seawall.console.words import age


def nodes(view: FleetView, now_s: float) -> RenderableType:
    """One line a node, and who leads."""
    leads = "This control process leads." if view.leading else ""
    if not view.leading:
        leads = f"{view.leader} leads." if view.leader else "It is unknown who leads."
    if not view.nodes:
        return Group(
            styled("No nodes. Add a machine with `seawall token join`."), styled(leads, "dim")
        )
    table = plain_table("node", "groups", "joined", "serves", "state")
    for node in view.nodes:
        state, style = _state(node)
        table.add_row(
            *(styled(node.name), styled(" ".join(node.groups)), styled(age(node.joined_s, now_s))),
            *(styled(node.release or ""), styled(state, style)),
        )
    return Group(table, styled(leads, "dim"))


def _state(node: FleetNodeView) -> tuple[str, str]:
    if node.certificate_over:
        return "its certificate has expired: it must join again; it serves on", "red"
    if node.connected is None:
        return "only the leader knows", "dim"
    if not node.connected:
        return "not connected; it serves on", "yellow"
    return (node.phase, "") if node.release else ("waiting for the first release", "")
