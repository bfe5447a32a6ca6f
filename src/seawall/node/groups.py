"""The groups of listening sockets of this node: who owns which index, and the program of each.

One group for each address that Envoys listen on together. The order of sockets in a group is never
assumed: `learn` sends one connection of its own to each index and looks which process accepted it.
Everything blocks (up to `PROBE_TIMEOUT_S` while it learns), so it runs in a thread; one at a time.
"""

import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final

from seawall.clock import Clock
from seawall.errors import SeawallError, UnreachableError
from seawall.limits import LEARN_ATTEMPTS_MAX, PROBE_TIMEOUT_S
from seawall.node.kernel import Kernel, Place
from seawall.node.steering import Arm, Probe, Program, Shares, by_arm, safe_indexes, shared

_PROBES_AT_ONCE: Final = 64
"""A program has at most 4,096 instructions, and a probe takes up to 14."""
_POLL_S: Final = 0.002
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)

Pids = Mapping[Arm, int]
Members = Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Group:
    """The sockets of one place, as last learnt.

    Attributes:
        order: the owner of each index.
        members: process and descriptor of sockets by inode.
    """

    place: Place
    order: tuple[Arm, ...]
    members: Members

    def having(self, shares: Shares) -> Shares:
        """`shares` without those of arms that do not listen here: stable takes them."""
        return Shares(
            candidate=shares.candidate if Arm.CANDIDATE in self.order else 0,
            baseline=shares.baseline if Arm.BASELINE in self.order else 0,
        )


class Groups:
    """Programs on the groups of some places.

    Args:
        kernel: the system calls.
        clock: bounds the wait for an Envoy that does not accept.

    Attributes:
        shares: in effect.
    """

    def __init__(self, kernel: Kernel, clock: Clock) -> None:
        self.shares = Shares()
        self._kernel = kernel
        self._clock = clock
        self._groups: tuple[Group, ...] = ()

    @property
    def places(self) -> tuple[Place, ...]:
        """Where connections are shared out."""
        return tuple(group.place for group in self._groups)

    def found(self, pid: int, places: Iterable[Place]) -> tuple[Place, ...]:
        """Those of `places` where the process listens.

        Raises:
            RefusedError: the process may not be looked at.
            OSError: it is gone.
        """
        own = self._kernel.sockets(pid)
        listening = self._kernel.listening()
        return tuple(
            place
            for place in places
            if any(s.inode in own for s in listening if (s.address, s.port) == _key(place))
        )

    def places_of(self, pid: int) -> tuple[Place, ...]:
        """Every place where the process listens.

        Raises:
            RefusedError: the process may not be looked at.
            OSError: it is gone.
        """
        own = self._kernel.sockets(pid)
        found = {(s.address, s.port) for s in self._kernel.listening() if s.inode in own}
        # Envoy's `::` takes IPv4 too: the compiler always asks for that.
        return tuple(Place(address, port, dual=address == "::") for address, port in sorted(found))

    def close(self, pid: int, places: Iterable[Place]) -> None:
        """Before anybody else binds: whoever comes to one of `places` later is given nothing.

        Raises:
            RefusedError: the kernel forbids it.
            UnreachableError: it is not known whose sockets are there.
            OSError: the process is gone.
        """
        self.shares = Shares()
        self._groups = ()
        self.learn({Arm.STABLE: pid}, places)

    def learn(self, pids: Pids, places: Iterable[Place]) -> None:
        """See whose sockets are where, and go on sharing as before.

        Raises:
            RefusedError: the kernel forbids it.
            UnreachableError: somebody did not accept, or sockets came and went.
            OSError: a process is gone.
        """
        self._groups = tuple(self._learnt(place, pids) for place in places)
        self.share(self.shares)

    def fresh(self) -> bool:
        """Whether the sockets are still those that were learnt.

        Raises:
            OSError: /proc cannot be read.
        """
        return all(self._inodes(group.place) == group.members.keys() for group in self._groups)

    def share(self, shares: Shares) -> None:
        """Give each arm its share of new connections from now on.

        Raises:
            RefusedError: the kernel forbids it.
            OSError: nobody listens there any more.
        """
        for group in self._groups:
            self._attach(group, shared(by_arm(group.order), group.having(shares)))
        self.shares = shares

    def hand_over(self) -> None:
        """Give everything to the candidate, such that stable may close its sockets in any order.

        Raises:
            RefusedError: the kernel forbids it.
            OSError: nobody listens there any more.
        """
        for group in self._groups:
            safe = safe_indexes(group.order, staying=Arm.CANDIDATE, leaving=Arm.STABLE)
            indexes = safe or by_arm(group.order).get(Arm.CANDIDATE, ())
            if indexes:
                program = shared({Arm.CANDIDATE: indexes}, Shares(candidate=1000))
                self._attach(group, program)
        self.shares = Shares(candidate=1000)

    def stable_is_gone(self) -> None:
        """Until it is back, whoever is left serves; when it is back, it has its share at once.

        Its new sockets come after those that are left. Which of these are whose is not known now,
        so candidate and baseline share evenly what both of them have.
        """
        self._groups = tuple(map(_with_stable_last, self._groups))
        for group in self._groups:
            others = sum(arm is not Arm.STABLE for arm in group.order)
            if others:
                having = group.having(self.shares)
                together = Shares(candidate=having.candidate + having.baseline)
                sockets = {
                    Arm.STABLE: range(others, len(group.order)),
                    Arm.CANDIDATE: range(others),
                }
                self._attach(group, shared(sockets, together))

    def let_go(self) -> None:
        """Give the choice back to the kernel: only one process listens now.

        Raises:
            RefusedError: the kernel forbids it.
            OSError: nobody listens there any more.
        """
        groups, self._groups, self.shares = self._groups, (), Shares()
        for group in groups:
            with self._member(group) as member:
                self._kernel.detach(member)

    def queued(self, pid: int) -> int:
        """Connections that wait in the process's listening sockets to be accepted.

        Raises:
            RefusedError: the process may not be looked at.
            OSError: it is gone.
        """
        own = self._kernel.sockets(pid)
        return sum(s.queued for s in self._kernel.listening() if s.inode in own)

    # --- One group -----------------------------------------------------------------------------

    def _learnt(self, place: Place, pids: Pids) -> Group:
        """Looked at anew while sockets come: an Envoy begins to listen with one after the other."""
        for _ in range(LEARN_ATTEMPTS_MAX):
            if (group := self._seen(place, pids)) is not None:
                return group
        raise UnreachableError(
            "socket-order-unknown",
            f"Another program listens on {place}, or its sockets changed during the check.",
            remedy="`ss -ltnp` shows which program listens there.",
        )

    def _seen(self, place: Place, pids: Pids) -> Group | None:
        """None when not all sockets are known to be ours, or others came meanwhile."""
        owned = {pid: self._kernel.sockets(pid) for pid in pids.values()}
        inodes = self._inodes(place)
        members = {
            inode: (pid, descriptors[inode])
            for pid, descriptors in owned.items()
            for inode in inodes
            if inode in descriptors
        }
        arms = {pid: arm for arm, pid in pids.items()}
        owners = {arms[pid] for pid, _ in members.values()}
        if len(members) == len(inodes) and owners == {Arm.STABLE}:
            return Group(place, (Arm.STABLE,) * len(inodes), members)
        order = self._probe(place, len(inodes), members, arms)
        known = tuple(arm for arm in order if arm is not None)
        if len(known) != len(order) or self._inodes(place) != inodes:
            return None
        return Group(place, known, members)

    def _probe(
        self, place: Place, count: int, members: Members, arms: Mapping[int, Arm]
    ) -> list[Arm | None]:
        """Who accepted a connection that was sent to each index.

        Meanwhile clients are shared out by what is known, or else by the order in which the arms
        begin to listen.
        """
        old = next((group for group in self._groups if group.place == place), None)
        if old is None or len(old.order) != count:
            owners = [arms[pid] for pid, _ in members.values()]
            old = Group(place, tuple(sorted(owners, key=list(Arm).index)), members)
        believed = replace(old, members=members)
        found: list[Arm | None] = []
        for start in range(0, count, _PROBES_AT_ONCE):
            indexes = range(start, min(count, start + _PROBES_AT_ONCE))
            found += self._probe_some(believed, indexes, arms)
        return found

    def _probe_some(
        self, group: Group, indexes: range, arms: Mapping[int, Arm]
    ) -> list[Arm | None]:
        place = group.place
        family = socket.AF_INET6 if place.ipv6 else socket.AF_INET
        with ExitStack() as stack:
            own = [stack.enter_context(socket.socket(family)) for _ in indexes]
            for one in own:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                one.settimeout(PROBE_TIMEOUT_S)
                one.bind((place.reachable, 0))
            ports = [int(one.getsockname()[1]) for one in own]
            source = socket.inet_pton(family, place.reachable)
            probes = [
                Probe(source, port, index) for port, index in zip(ports, indexes, strict=True)
            ]
            shares = group.having(self.shares)
            self._attach(group, shared(by_arm(group.order), shares, probes))
            for one in own:
                one.connect((place.reachable, place.port))
            accepted = self._accepted(place.reachable, ports)
            owners = {
                inode: arm for pid, arm in arms.items() for inode in self._kernel.sockets(pid)
            }
        return [owners.get(accepted[port]) for port in ports]

    def _accepted(self, address: str, ports: list[int]) -> dict[int, int]:
        deadline_s = self._clock.monotonic_s() + PROBE_TIMEOUT_S
        while self._clock.monotonic_s() < deadline_s:
            accepted = self._kernel.accepted(address, ports)
            if len(accepted) == len(ports):
                return accepted
            time.sleep(_POLL_S)
        raise UnreachableError(
            "socket-order-unknown",
            "An Envoy does not accept connections, so the order of sockets cannot be seen.",
            remedy="See its log in the slot's directory.",
        )

    def _inodes(self, place: Place) -> frozenset[int]:
        key = _key(place)
        return frozenset(
            found.inode for found in self._kernel.listening() if (found.address, found.port) == key
        )

    def _attach(self, group: Group, program: Program) -> None:
        with self._member(group) as member:
            self._kernel.attach(member, program)

    @contextmanager
    def _member(self, group: Group) -> Iterator[socket.socket]:
        """Some socket of the group: borrowed from an Envoy, or else our own for a moment."""
        with self._borrowed(group) or self._kernel.anchor(group.place) as member:
            yield member

    def _borrowed(self, group: Group) -> socket.socket | None:
        for inode, (pid, descriptor) in group.members.items():
            try:
                member = self._kernel.borrow(pid, descriptor)
            except (SeawallError, OSError):
                continue
            if os.fstat(member.fileno()).st_ino == inode:
                return member
            member.close()
        return None


def _with_stable_last(group: Group) -> Group:
    return replace(group, order=tuple(sorted(group.order, key=lambda arm: arm is Arm.STABLE)))


def _key(place: Place) -> tuple[str, int]:
    return place.address, place.port
