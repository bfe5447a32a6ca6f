"""Which nodes take part in a wave: as many as the policy allows, those that can prove something.

Cumulative: the share counts what is committed or on trial already. Silent nodes are not counted on
and not waited for; they get the target when they are back. A node that has not reported since
control began is no member, but may be one soon: of any group, until it says its own.
"""

from collections.abc import Iterator

from seawall.ids import NodeName
from seawall.model.rollout import Wave
from seawall.rollout.standing import settled, steers, tries
from seawall.rollout.state import Fleet, Inventory, Rollout


def nodes_max(share: float, nodes: int) -> int:
    """How many of `nodes` may meet a release that is not judged yet: the share, at least one."""
    return max(1, int(share * nodes + 1e-9))


def choose(
    rollout: Rollout, fleet: Fleet, inventory: Inventory
) -> tuple[tuple[NodeName, ...], tuple[NodeName, ...]]:
    """The members of the rollout's wave, and connected nodes that may become members soon.

    Only a node that serves the target can compare a release with it; one that is still on its way
    there is worth a wait. Both are empty when the wave has no nodes.
    """
    candidates = list(remaining(rollout, inventory))
    room = len(candidates)
    if not rollout.last_wave:
        wave = rollout.policy.waves[rollout.wave]
        if wave.group:
            candidates = [name for name in candidates if _in_group(name, wave, inventory)]
        else:
            connected = sum(1 for name in inventory.nodes if inventory.connected(name))
            room = max(0, nodes_max(wave.share, connected) - len(rollout.committed))
    candidates.sort(key=lambda name: _worth(name, inventory))
    ready = [name for name in candidates if settled(name, fleet, inventory)]
    coming = [name for name in candidates if name not in ready]
    return tuple(sorted(ready[:room])), tuple(sorted(coming[:room]))


def remaining(rollout: Rollout, inventory: Inventory) -> Iterator[NodeName]:
    """Connected nodes that have not been told to serve the release and are not set aside."""
    done = {*rollout.committed, *rollout.aside}
    return (name for name in inventory.nodes if name not in done and inventory.connected(name))


def _in_group(name: NodeName, wave: Wave, inventory: Inventory) -> bool:
    report = inventory.report(name)
    return report is None or wave.group in report.groups


def _worth(name: NodeName, inventory: Inventory) -> tuple[bool, bool, NodeName]:
    """Nodes whose trial proves most come first."""
    report = inventory.report(name)
    return not steers(report), not tries(report), name
