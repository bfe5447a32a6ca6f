"""The program that shares out new connections between the Envoys of a node: built here, pure.

Sockets that listen on one address with SO_REUSEPORT form a group, an array inside the kernel. For
each new connection the kernel asks the group's program for an index. The program here draws a
number of 0..999 to choose the arm, and another to choose one of the arm's sockets. It is classic
BPF, which an ordinary user may attach, and it lives in the group: not in the agent, not in Envoy.

What the kernel does around it, and what everything here is built on:

* a socket that begins to listen becomes the last of the array; when one closes, the last one takes
  its place. So a program that names only indexes of stable stays right when others come;
* an index that does not exist makes the kernel choose among all sockets by a hash of the addresses.

`safe_indexes` says which sockets keep their index while a whole process closes its own. A `Probe`
sends one single connection of our own to a wanted index, so that an order is seen and not assumed.

https://docs.kernel.org/networking/filter.html
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from seawall.errors import invariant

PERMILLE: Final = 1000


class Arm(StrEnum):
    """Which of a node's Envoys; also the name of its role, link and windows."""

    STABLE = "stable"
    CANDIDATE = "candidate"
    BASELINE = "baseline"


class Instruction(NamedTuple):
    """One `struct sock_filter`."""

    code: int
    when_true: int
    when_false: int
    k: int


Program = tuple[Instruction, ...]

LOAD_WORD: Final = 0x20
LOAD_HALF: Final = 0x28
LOAD_BYTE: Final = 0x30
RETURN_K: Final = 0x06
RETURN_A: Final = 0x16
JUMP: Final = 0x05
JUMP_EQUAL: Final = 0x15
JUMP_AT_LEAST: Final = 0x35
ADD: Final = 0x04
MODULO: Final = 0x94
SHIFT_RIGHT: Final = 0x74

NETWORK_HEADER: Final = 0x1_0000_0000 - 0x10_0000
"""SKF_NET_OFF: loads from here on are relative to the IP header."""
RANDOM: Final = 0x1_0000_0000 - 0x1000 + 56
"""SKF_AD_OFF + SKF_AD_RANDOM: a load from here draws 32 random bits. Linux has it since 3.16, and
programs on groups of TCP sockets since 4.6: where one can be attached, this never fails."""

_IPV4_SOURCE: Final = 12
_IPV4_SOURCE_PORT: Final = 20
_IPV6_SOURCE: Final = 8
_IPV6_SOURCE_PORT: Final = 40
_IPV4_SIZE: Final = 4
_INSTRUCTION: Final = struct.Struct("=HBBI")


@dataclass(frozen=True, slots=True)
class Shares:
    """Of a thousand new connections; what is left is stable's."""

    candidate: int = 0
    baseline: int = 0

    def of(self, arm: Arm) -> int:
        """The share of `arm`."""
        if arm is Arm.CANDIDATE:
            return self.candidate
        if arm is Arm.BASELINE:
            return self.baseline
        return PERMILLE - self.candidate - self.baseline


@dataclass(frozen=True, slots=True)
class Probe:
    """A connection of our own from this address and port goes to `index`, whatever the shares.

    Attributes:
        source: the packed address, 4 or 16 bytes.
    """

    source: bytes
    port: int
    index: int


def shared(
    sockets: Mapping[Arm, Sequence[int]], shares: Shares, probes: Iterable[Probe] = ()
) -> Program:
    """The program that gives each arm its share, evenly over its sockets.

    Args:
        sockets: indexes of each arm in the group; an arm with a share must have some.
        shares: of the arms.
        probes: connections of our own that are sent elsewhere.

    Raises:
        InternalError: an arm with a share has no socket, or the shares make no sense.
    """
    arms = tuple(arm for arm in Arm if shares.of(arm))
    invariant(all(shares.of(arm) >= 0 for arm in Arm), "shares of a thousand are positive")
    invariant(all(sockets.get(arm) for arm in arms), "an arm with a share has a socket")
    program = [instruction for probe in probes for instruction in _probe(probe)]
    if len(arms) > 1:
        program += [_load(RANDOM), Instruction(MODULO, 0, 0, PERMILLE)]
    below = 0
    for arm in arms:
        block = _one_of(tuple(sockets[arm]))
        below += shares.of(arm)
        if below < PERMILLE:
            # Conditional jumps reach 255 instructions; the unconditional one any number.
            program += [
                Instruction(JUMP_AT_LEAST, 0, 1, below),
                Instruction(JUMP, 0, 0, len(block)),
            ]
        program += block
    return tuple(program)


def encode(program: Program) -> bytes:
    """The instructions as the kernel takes them."""
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def safe_indexes(order: Sequence[Arm], *, staying: Arm, leaving: Arm) -> tuple[int, ...]:
    """Sockets of `staying` that keep their index while all of `leaving` close, in any order.

    With each close the last socket of the array moves into the hole. One that stands before the
    places that can become the last never moves; one that stands exactly at the new length moves
    with the last close only, when no socket of `leaving` is left for the kernel's hash to choose.
    """
    left = sum(arm is not leaving for arm in order)
    alone = all(arm in (staying, leaving) for arm in order)
    return tuple(
        index
        for index, arm in enumerate(order)
        if arm is staying and (index < left or (alone and index == left))
    )


def by_arm(order: Sequence[Arm]) -> dict[Arm, tuple[int, ...]]:
    """Indexes of each arm that has any."""
    return {
        arm: tuple(index for index, owner in enumerate(order) if owner is arm)
        for arm in dict.fromkeys(order)
    }


def _load(where: int) -> Instruction:
    return Instruction(LOAD_WORD, 0, 0, where)


def _one_of(indexes: tuple[int, ...]) -> list[Instruction]:
    """Return one of `indexes`, each as likely as the others."""
    if len(indexes) == 1:
        return [Instruction(RETURN_K, 0, 0, indexes[0])]
    draw = [_load(RANDOM), Instruction(MODULO, 0, 0, len(indexes))]
    if indexes == tuple(range(indexes[0], indexes[0] + len(indexes))):
        return [*draw, Instruction(ADD, 0, 0, indexes[0]), Instruction(RETURN_A, 0, 0, 0)]
    for drawn, index in enumerate(indexes[:-1]):
        draw += [Instruction(JUMP_EQUAL, 0, 1, drawn), Instruction(RETURN_K, 0, 0, index)]
    return [*draw, Instruction(RETURN_K, 0, 0, indexes[-1])]


def _probe(probe: Probe) -> list[Instruction]:
    ipv4 = len(probe.source) == _IPV4_SIZE
    source, port = (_IPV4_SOURCE, _IPV4_SOURCE_PORT) if ipv4 else (_IPV6_SOURCE, _IPV6_SOURCE_PORT)
    found = [
        (LOAD_BYTE, 0, 4, 4 if ipv4 else 6),
        *(
            (LOAD_WORD, source + at, 0, int.from_bytes(probe.source[at : at + 4], "big"))
            for at in range(0, len(probe.source), 4)
        ),
        (LOAD_HALF, port, 0, probe.port),
    ]
    program: list[Instruction] = []
    for load, offset, shift, value in reversed(found):
        rest = len(program) + 1  # what is left of the probe, its return included
        program.insert(0, Instruction(JUMP_EQUAL, 0, rest, value))
        if shift:
            program.insert(0, Instruction(SHIFT_RIGHT, 0, 0, shift))
        program.insert(0, Instruction(load, 0, 0, NETWORK_HEADER + offset))
    return [*program, Instruction(RETURN_K, 0, 0, probe.index)]
