"""Which node runs which release next: a pure function of what is stored, seen and judged.

`plan` reads one `Fleet` and says the next one, the assignments that change, and why in words. It
is called again and again and says the same until something new is seen: no advance depends on how
often it was asked. It never touches a store, a clock or a node.
"""

from seawall.rollout.state import Findings, Fleet, Inventory, Plan


def plan(fleet: Fleet, inventory: Inventory, findings: Findings, now_s: float) -> Plan:
    """The next state of the fleet.

    Args:
        fleet: as stored.
        inventory: what nodes said, and how long they have been silent.
        findings: of the judge on the step that runs.
        now_s: Unix seconds.
    """
    del inventory, findings, now_s
    return Plan(fleet)
