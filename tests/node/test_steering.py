"""The program that shares out connections, run as the kernel runs it."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.bpf import Group, ipv4, ipv6, run
from seawall.errors import InternalError
from seawall.node.groups import _PROBES_AT_ONCE
from seawall.node.steering import (
    JUMP_AT_LEAST,
    JUMP_EQUAL,
    PERMILLE,
    Arm,
    Probe,
    Shares,
    by_arm,
    encode,
    safe_indexes,
    shared,
)

PACKET = ipv4(b"\x0a\x00\x00\x01", 40_000)
ORDERS = st.lists(st.sampled_from(list(Arm)), min_size=1, max_size=40).filter(
    lambda order: Arm.STABLE in order
)


@st.composite
def shares_for(draw: st.DrawFn, order: list[Arm]) -> Shares:
    candidate = draw(st.integers(0, PERMILLE)) if Arm.CANDIDATE in order else 0
    baseline = draw(st.integers(0, PERMILLE - candidate)) if Arm.BASELINE in order else 0
    return Shares(candidate, baseline)


@given(st.data(), ORDERS, st.integers(0, 2**32))
def test_a_connection_always_goes_to_a_socket_of_an_arm_with_a_share(
    data: st.DataObject, order: list[Arm], seed: int
) -> None:
    shares = data.draw(shares_for(order))
    program = shared(by_arm(order), shares)
    rng = random.Random(seed)
    for _ in range(50):
        index = run(program, PACKET, rng)
        assert index < len(order)
        assert shares.of(order[index]) > 0


@given(st.data(), ORDERS)
def test_every_draw_of_a_thousand_belongs_to_exactly_the_arm_whose_share_it_is(
    data: st.DataObject, order: list[Arm]
) -> None:
    shares = data.draw(shares_for(order))
    program = shared(by_arm(order), shares)

    class Draw(random.Random):
        drawn = 0

        def getrandbits(self, _: int) -> int:
            return self.drawn

    rng = Draw()
    found: Counter[Arm] = Counter()
    for rng.drawn in range(PERMILLE):
        found[order[run(program, PACKET, rng)]] += 1
    assert found == Counter({arm: shares.of(arm) for arm in Arm if shares.of(arm)})


@given(ORDERS)
def test_every_socket_of_an_arm_gets_its_part(order: list[Arm]) -> None:
    program = shared({Arm.STABLE: by_arm(order)[Arm.STABLE]}, Shares())
    rng = random.Random(1)
    found = {run(program, PACKET, rng) for _ in range(60 * len(order))}
    assert found == set(by_arm(order)[Arm.STABLE])


@given(ORDERS, st.integers(1, 65_535), st.binary(min_size=16, max_size=16), st.booleans())
def test_a_probe_reaches_its_index_and_nobody_else_does(
    order: list[Arm], port: int, address: bytes, short: bool
) -> None:
    source = address[:4] if short else address
    packet = ipv4 if short else ipv6
    probes = [Probe(source, port, 77), Probe(source, port - 1, 78)]
    program = shared(by_arm(order), Shares(), probes)
    rng = random.Random(2)
    assert run(program, packet(source, port), rng) == 77
    assert run(program, packet(source, port - 1), rng) == 78
    other = bytes([source[0] ^ 1]) + source[1:]
    assert run(program, packet(other, port), rng) < len(order)
    assert run(program, packet(source, (port + 1) % 65_536), rng) < len(order)
    stranger = ipv6(bytes(12) + source, port) if short else ipv4(source[:4], port)
    assert run(program, stranger, rng) < len(order)


def test_the_largest_group_fits_the_kernels_bounds() -> None:
    order = [arm for _ in range(128) for arm in Arm]  # worst case: no arm stands together
    probes = [Probe(bytes(16), index + 1, index) for index in range(_PROBES_AT_ONCE)]
    program = shared(by_arm(order), Shares(300, 300), probes)
    assert len(program) <= 4096
    conditional = [i for i in program if i.code in (JUMP_EQUAL, JUMP_AT_LEAST)]
    assert max(max(i.when_true, i.when_false) for i in conditional) <= 255
    assert len(encode(program)) == 8 * len(program)


def test_a_share_without_a_socket_is_a_defect() -> None:
    with pytest.raises(InternalError):
        shared({Arm.STABLE: (0,)}, Shares(candidate=1))
    with pytest.raises(InternalError):
        shared(dict.fromkeys(Arm, (0,)), Shares(600, 600))


@given(
    st.lists(st.sampled_from((Arm.STABLE, Arm.CANDIDATE)), min_size=2, max_size=12)
    | st.lists(st.sampled_from(list(Arm)), min_size=2, max_size=12),
    st.randoms(use_true_random=False),
)
def test_a_safe_index_stays_the_candidates_while_stable_closes_in_any_order(
    order: list[Arm], rng: random.Random
) -> None:
    for index in safe_indexes(order, staying=Arm.CANDIDATE, leaving=Arm.STABLE):
        group = Group(list(order))
        while Arm.STABLE in group.sockets:
            assert group.chosen(index) == {Arm.CANDIDATE}
            leaving = [i for i, owner in enumerate(group.sockets) if owner is Arm.STABLE]
            group.close(rng.choice(leaving))
        assert group.chosen(index) == {Arm.CANDIDATE}


@given(st.integers(1, 16), st.integers(0, 4))
def test_a_candidate_with_as_many_workers_always_has_a_safe_index(workers: int, more: int) -> None:
    order = [Arm.STABLE] * workers + [Arm.CANDIDATE] * (workers + more)
    assert safe_indexes(order, staying=Arm.CANDIDATE, leaving=Arm.STABLE)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8), st.randoms(use_true_random=False))
def test_a_program_for_stable_alone_stays_right_whoever_comes_and_goes(
    stable: int, candidate: int, baseline: int, rng: random.Random
) -> None:
    program = shared({Arm.STABLE: tuple(range(stable))}, Shares())
    group = Group([Arm.STABLE] * stable)
    for arm in [Arm.CANDIDATE] * candidate + [Arm.BASELINE] * baseline:
        group.listen(arm)
        assert group.chosen(run(program, PACKET, rng)) == {Arm.STABLE}
    while len(group.sockets) > stable:
        others = [i for i, owner in enumerate(group.sockets) if owner is not Arm.STABLE]
        group.close(rng.choice(others))
        assert group.chosen(run(program, PACKET, rng)) == {Arm.STABLE}
