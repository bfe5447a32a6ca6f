"""What goes wrong, when, and how it is put right again: drawn from the seed."""

from collections.abc import Callable

from seawall.model.rollout import RolloutPolicy, Step, Wave, WithoutTraffic
from seawall.rollout import orders
from seawall.rollout.state import Fleet, Plan, Speed
from seawall.testing.sim.core import SimControl, SimStore
from seawall.testing.sim.network import Network
from seawall.testing.sim.node import SimNode
from seawall.testing.sim.releases import Nature, SimRelease, made
from seawall.testing.sim.rules import Rules
from seawall.testing.sim.world import World

_NATURES = tuple(Nature)
_OUTAGE_S = (0.5, 40.0)


class Chaos:
    """Hands faults and orders to the parts of a simulation."""

    def __init__(
        self,
        world: World,
        *,
        network: Network,
        store: SimStore,
        controls: list[SimControl],
        nodes: list[SimNode],
        rules: Rules,
    ) -> None:
        self._world = world
        self._network = network
        self._store = store
        self._controls = controls
        self._nodes = nodes
        self._rules = rules
        self._deeds: tuple[tuple[int, Callable[[], None]], ...] = (
            (30, self._release),
            (4, self._rollback),
            (4, self._hands),
            (2, self._freeze),
            (8, self._kill_agent),
            (8, self._kill_stable),
            (6, self._kill_candidate),
            (6, self._kill_control),
            (4, self._stop_control),
            (6, self._change_leader),
            (8, self._partition),
            (8, self._bad_network),
            (4, self._streams_break),
            (3, self._clock_jumps),
            (2, self._disk_is_lost),
            (3, self._disk_is_full),
            (4, self._traffic_changes),
        )

    def strike(self) -> None:
        """One thing goes wrong, or somebody asks for something."""
        weights = [weight for weight, _ in self._deeds]
        _, deed = self._world.chance.choices(self._deeds, weights)[0]
        deed()

    def heal(self) -> None:
        """Everything that can be put right is put right."""
        self._network.calm()
        for control in self._controls:
            control.traffic = True
            if not control.alive:
                control.start()
            control.stopped = control.dozed = False
        if not any(control.leads for control in self._controls):
            self._controls[0].lead()
        while sum(control.leads for control in self._controls) > 1:
            next(c for c in reversed(self._controls) if c.leads).leads = False
        for node in self._nodes:
            node.traffic = True
            node.disk.full = False
            node.start_agent()
            node.stable.restart()
        self._lead(lambda fleet, now: orders.unfreeze(fleet, "ann", now))

    def unblock(self) -> None:
        """A person answers what waits for one."""
        running = self._store.fleet.running
        if running is not None and (running.paused is not None or running.held is not None):
            self._lead(lambda fleet, now: orders.abort(fleet, "ann", "tidying up", now))

    def first_release(self) -> None:
        """What the fleet serves before anything goes wrong."""
        self._start(self._stored(Nature.GOOD))

    # --- Orders ----------------------------------------------------------------------------------

    def _release(self) -> None:
        world = self._world
        nature = Nature.GOOD if world.perhaps(0.4) else world.chance.choice(_NATURES)
        kinds = ((Speed.CONFIG, 6), (Speed.FEED, 3), (Speed.SWITCH, 1))
        speed = world.chance.choices([s for s, _ in kinds], [w for _, w in kinds])[0]
        stored = self._stored(nature)
        self._start(stored, speed, break_glass=world.perhaps(0.05))

    def _stored(self, nature: Nature) -> SimRelease:
        release = made(len(self._store.releases) + 1, nature)
        self._store.keep(release)
        return release

    def _start(
        self, stored: SimRelease, speed: Speed = Speed.CONFIG, *, break_glass: bool = False
    ) -> None:
        def start(fleet: Fleet, now_s: float) -> Plan:
            order = orders.Order(
                release=stored.release,
                digest=stored.digest,
                policy=self._policy(),
                speed=speed,
                actor="ann",
                onto=fleet.target.release if fleet.target else None,
                feed="list" if speed is Speed.FEED else "",
                period_s=300.0 if speed is Speed.FEED else None,
                break_glass=break_glass,
            )
            self._store.numbers += 1
            return orders.start(fleet, order, self._store.numbers, now_s)

        self._lead(start)

    def _policy(self) -> RolloutPolicy:
        world = self._world
        shares = world.chance.choice(((10, 100, 500), (100,), (50, 500), ()))
        return RolloutPolicy(
            steps=tuple(Step(share, 2.0, 20.0) for share in shares),
            waves=world.chance.choice(((Wave(share=0.2),), (Wave(group="canary"),), ())),
            taste_deadline_s=20.0,
            bake_s=world.chance.choice((0.0, 5.0, 20.0)),
            without_traffic=world.chance.choice(tuple(WithoutTraffic)),
            baseline=world.perhaps(0.5),
        )

    def _rollback(self) -> None:
        good = self._store.good()
        if good:
            target = self._world.chance.choice(good)
            self._start(self._store.releases[target.release])

    def _hands(self) -> None:
        deed = self._world.chance.choice((orders.pause, orders.resume))
        if self._world.perhaps(0.3):
            self._lead(lambda fleet, now: orders.abort(fleet, "ann", "on a whim", now))
        else:
            self._lead(lambda fleet, now: deed(fleet, "ann", now))

    def _freeze(self) -> None:
        self._lead(lambda fleet, now: orders.freeze(fleet, "ann", "a bad day", now))
        thaw = self._world.between(*_OUTAGE_S)
        self._world.after(
            thaw, lambda: self._lead(lambda fleet, now: orders.unfreeze(fleet, "ann", now))
        )

    def _lead(self, order: Callable[[Fleet, float], Plan]) -> None:
        """Ask whoever leads; nobody may."""
        for control in self._controls:
            if control.alive and control.leads and not control.stopped:
                control.order(order)
                return

    # --- Faults ----------------------------------------------------------------------------------

    def _node(self) -> SimNode:
        return self._world.chance.choice(self._nodes)

    def _control(self) -> SimControl:
        return self._world.chance.choice(self._controls)

    def _kill_agent(self) -> None:
        node = self._node()
        node.kill_agent()
        self._world.after(self._world.between(*_OUTAGE_S), node.start_agent)

    def _kill_stable(self) -> None:
        self._node().kill_stable()

    def _kill_candidate(self) -> None:
        self._node().kill_candidate()

    def _kill_control(self) -> None:
        control = self._control()
        control.kill()
        self._world.after(self._world.between(*_OUTAGE_S), control.start)

    def _stop_control(self) -> None:
        """A process that is stopped, loses the lead, and goes on as if nothing had been."""
        control = self._control()
        control.stopped = True

        def go_on() -> None:
            control.stopped, control.dozed = False, True

        self._world.after(self._world.between(*_OUTAGE_S), go_on)

    def _change_leader(self) -> None:
        """Another process takes the lead; the old one may believe for a while that it has it."""
        old = [control for control in self._controls if control.leads]
        new = self._control()
        if new.alive:
            new.lead()
        for control in old:
            if control is not new:
                self._loses_lead_later(control, new)

    def _loses_lead_later(self, control: SimControl, new: SimControl) -> None:
        def loses() -> None:
            if new.alive and new.leads:
                control.leads = False

        self._world.after(self._world.between(0.0, 10.0), loses)

    def _partition(self) -> None:
        cut = {str(node.name) for node in self._nodes if self._world.perhaps(0.5)}
        self._network.cut |= cut

        def mend() -> None:
            self._network.cut -= cut

        self._world.after(self._world.between(*_OUTAGE_S), mend)

    def _bad_network(self) -> None:
        network, world = self._network, self._world
        network.loss = world.between(0.0, 0.3)
        network.twice = world.between(0.0, 0.3)
        network.slow = world.between(0.0, 0.3)

        def better() -> None:
            network.loss = network.twice = network.slow = 0.0

        world.after(world.between(*_OUTAGE_S), better)

    def _streams_break(self) -> None:
        self._node().stable.drop_stream()

    def _clock_jumps(self) -> None:
        self._world.wall_shift_s += self._world.chance.choice((-60.0, -5.0, 5.0, 60.0, 600.0))

    def _disk_is_lost(self) -> None:
        node = self._node()
        node.lose_disk()
        self._rules.forget(node)
        self._world.after(self._world.between(*_OUTAGE_S), node.start_agent)

    def _disk_is_full(self) -> None:
        node = self._node()
        node.disk.full = True

        def emptied() -> None:
            node.disk.full = False

        self._world.after(self._world.between(*_OUTAGE_S), emptied)

    def _traffic_changes(self) -> None:
        comes = self._world.perhaps(0.7)
        for control in self._controls:
            control.traffic = comes
        for node in self._nodes:
            node.traffic = comes
