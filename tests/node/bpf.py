"""Classic BPF, interpreted: what the kernel does with a program, in Python."""

import operator
import random
from collections.abc import Sequence

from seawall.node.steering import (
    ADD,
    JUMP,
    JUMP_AT_LEAST,
    JUMP_EQUAL,
    LOAD_BYTE,
    LOAD_HALF,
    LOAD_WORD,
    MODULO,
    NETWORK_HEADER,
    RANDOM,
    RETURN_A,
    RETURN_K,
    SHIFT_RIGHT,
    Program,
)

ARITHMETIC = {MODULO: operator.mod, ADD: operator.add, SHIFT_RIGHT: operator.rshift}
JUMPS = {JUMP_EQUAL: operator.eq, JUMP_AT_LEAST: operator.ge}
SIZES = {LOAD_WORD: 4, LOAD_HALF: 2, LOAD_BYTE: 1}


def run(program: Program, packet: bytes, rng: random.Random) -> int:
    """The index that `program` returns for the packet that begins with the IP header."""
    at, accumulator = 0, 0
    while True:
        code, when_true, when_false, k = program[at]
        at += 1
        if code in SIZES:
            loaded = _load(code, k, packet, rng)
            if loaded is None:
                return 0  # the kernel ends a program that reads beyond the packet
            accumulator = loaded
        elif code in ARITHMETIC:
            accumulator = ARITHMETIC[code](accumulator, k) & 0xFFFFFFFF
        elif code in JUMPS:
            at += when_true if JUMPS[code](accumulator, k) else when_false
        elif code == JUMP:
            at += k
        else:
            return {RETURN_K: k, RETURN_A: accumulator}[code]


def _load(code: int, k: int, packet: bytes, rng: random.Random) -> int | None:
    if k == RANDOM:
        return rng.getrandbits(32)
    begin = k - NETWORK_HEADER
    taken = packet[begin : begin + SIZES[code]]
    return int.from_bytes(taken, "big") if len(taken) == SIZES[code] else None


def ipv4(source: bytes, port: int) -> bytes:
    """The start of a SYN: as much as a program looks at."""
    return bytes([0x45]) + bytes(11) + source + bytes(4) + port.to_bytes(2, "big") + bytes(18)


def ipv6(source: bytes, port: int) -> bytes:
    return bytes([0x60]) + bytes(7) + source + bytes(16) + port.to_bytes(2, "big") + bytes(18)


class Group:
    """A group of sockets as the kernel keeps it, with owners for sockets."""

    def __init__(self, owners: Sequence[str]) -> None:
        self.sockets = list(owners)

    def listen(self, owner: str) -> None:
        self.sockets.append(owner)

    def close(self, index: int) -> None:
        """The last socket takes the place of the one that closes."""
        last = self.sockets.pop()
        if index < len(self.sockets):
            self.sockets[index] = last

    def chosen(self, index: int) -> set[str]:
        """Who may get a connection for which the program said `index`."""
        return {self.sockets[index]} if index < len(self.sockets) else set(self.sockets)
