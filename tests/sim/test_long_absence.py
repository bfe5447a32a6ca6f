"""Control is dead for an hour: traffic is served, nodes restart, nothing is lost."""

from seawall.testing.sim.run import CALM_S, Simulation

HOUR_S = 3_600.0


def test_an_hour_without_control_costs_nothing() -> None:
    simulation = Simulation(5)
    world, nodes = simulation.world, simulation.nodes
    for control in simulation.controls:
        control.start()
    simulation.controls[0].leads = True
    for node in nodes:
        node.start_agent()
    world.after(1.0, simulation.chaos.first_release)
    simulation._until(lambda: world.now_s >= 10 * CALM_S)
    target = simulation.store.fleet.target
    assert target is not None

    for control in simulation.controls:
        control.kill()
    gone_s = world.now_s
    simulation._until(lambda: world.now_s >= gone_s + HOUR_S / 2)
    for node in nodes:  # every machine restarts, agent and Envoy
        node.kill_agent()
        node.stable.die()
        node.start_agent()
    simulation._until(lambda: world.now_s >= gone_s + HOUR_S)
    assert [node.stable.held for node in nodes] == [target.digest] * len(nodes)

    simulation.chaos.heal()
    simulation.chaos.first_release()
    simulation._until(lambda: world.now_s >= gone_s + HOUR_S + HOUR_S / 6)
    newest = simulation.store.fleet.target
    assert newest is not None
    assert newest != target
    assert simulation.right(), simulation.why_wrong()
