"""Random fleets, faults and orders: no tick breaks an invariant, and quiet brings an end."""

import random

import pytest

from rollout.model import Model, ModelNode
from seawall.errors import SeawallError
from seawall.ids import Generation, NodeName
from seawall.judge.verdict import Healthy, NotEnough, Reason, Unhealthy
from seawall.rollout import orders
from seawall.rollout.ports import Phase, Steering

SEEDS = range(40)
CHAOS_TICKS = 250
QUIET_TICKS = 700


def fleet(rng: random.Random) -> Model:
    model = Model()
    for number in range(rng.randint(1, 9)):
        model.add(
            ModelNode(
                NodeName(f"n{number}"),
                level=rng.choice((0, 1, 1, 1)),
                steering=rng.choice((Steering.KERNEL, Steering.KERNEL, Steering.NONE)),
                groups=rng.choice(((), ("canary",))),
            )
        )
    model.rate_per_s = rng.choice((0.0, 3.0, 100.0, 5_000.0))
    return model


def break_a_node(model: Model, rng: random.Random) -> None:
    node = model.nodes[rng.choice(sorted(model.nodes))]
    release = f"r{rng.randint(1, 9)}"
    running = model.fleet.running
    match rng.randint(0, 5):
        case 0:
            node.away = not node.away
        case 1:
            node.fails[release] = ("differs", rng.random() < 0.5)
        case 2:
            node.rejects[release] = ("no such thing", rng.random() < 0.5)
        case 3:
            node.slow = not node.slow
        case 4 if running and node.serving == running.release:
            node.serving, node.phase, node.message = None, Phase.REJECTED, "Envoy died"
        case _:
            node.generation = Generation(node.generation + rng.randint(0, 5))


def say_something(model: Model, rng: random.Random) -> None:
    fleet, now_s = model.fleet, model.now_s
    verdicts = (None, Unhealthy("errors"), NotEnough(Reason.MISSING), Healthy("fine"))
    match rng.randint(0, 9):
        case 0:
            model.verdict = rng.choice(verdicts)
        case 1:
            model.take(orders.freeze(fleet, "ann", "", now_s))
        case 2:
            model.take(orders.unfreeze(fleet, "ann", now_s))
        case 3:
            model.take(orders.pause(fleet, "ann", now_s))
        case 4:
            model.take(orders.resume(fleet, "ann", now_s))
        case 5:
            model.take(orders.abort(fleet, "ann", "", now_s))
        case _:
            speed = rng.choice(("config", "config", "feed", "switch"))
            feed = "f" if speed == "feed" else ""
            forced = rng.random() < 0.1
            model.start(f"r{rng.randint(1, 9)}", speed=speed, feed=feed, forced=forced)


def disturb(model: Model, rng: random.Random) -> None:
    try:
        rng.choice((break_a_node, say_something))(model, rng)
    except SeawallError:
        model.drain()


def heal(model: Model) -> None:
    for node in model.nodes.values():
        node.away = node.slow = False
        node.fails, node.rejects = {}, {}
    model.verdict, model.rate_per_s = None, 100.0
    if model.fleet.frozen:
        model.take(orders.unfreeze(model.fleet, "ann", model.now_s))
    if any(rollout.paused for rollout in model.fleet.rollouts):
        model.take(orders.resume(model.fleet, "ann", model.now_s))


@pytest.mark.parametrize("seed", SEEDS)
def test_chaos_breaks_no_invariant_and_quiet_converges(seed: int) -> None:
    rng = random.Random(seed)
    model = fleet(rng)
    for _ in range(CHAOS_TICKS):
        if rng.random() < 0.3:
            disturb(model, rng)
        heard = {node.name: node.generation for node in model.nodes.values()}
        model.tick()  # asserts lint on every plan
        assert all(node.generation >= heard[node.name] for node in model.nodes.values())
    heal(model)
    for _ in range(QUIET_TICKS):
        model.tick()
        if model.fleet.frozen:  # a node came back with a number that the store never gave
            model.take(orders.unfreeze(model.fleet, "ann", model.now_s))
    assert not model.fleet.rollouts, [(r.release, r.stage, r.held) for r in model.fleet.rollouts]
    target = model.fleet.target
    for node in model.nodes.values():
        if target is not None:
            assert (node.serving, node.trial) == (target.release, None), node
