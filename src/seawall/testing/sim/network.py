"""Messages between nodes and control: late, twice, out of order, lost, or stopped."""

from seawall.testing.sim.world import Deed, World

_DELAY_S = (0.002, 0.2)
_SLOW_S = (0.5, 5.0)


class Network:
    """Carries deeds from one side to the other.

    Attributes:
        cut: nodes that cannot reach control, nor be reached.
        loss: share of messages that vanish.
        twice: share of messages that come a second time, perhaps much later.
        slow: share of messages that take long.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.cut: set[str] = set()
        self.loss = 0.0
        self.twice = 0.0
        self.slow = 0.0

    def send(self, node: str, deed: Deed) -> None:
        """Carry a message from or to `node`."""
        world = self._world
        if node in self.cut or world.perhaps(self.loss):
            return
        self._carry(node, deed)
        if world.perhaps(self.twice):
            self._carry(node, deed)

    def calm(self) -> None:
        """Nothing is lost, late or repeated any more."""
        self.cut.clear()
        self.loss = self.twice = self.slow = 0.0

    def _carry(self, node: str, deed: Deed) -> None:
        world = self._world
        delay_s = world.between(*(_SLOW_S if world.perhaps(self.slow) else _DELAY_S))
        world.after(delay_s, lambda: None if node in self.cut else deed())
