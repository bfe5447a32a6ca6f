"""The kernel's groups of sockets: found, learnt and steered through whatever way is open."""

import errno
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from helpers import free_port, wait_until
from seawall.clock import SystemClock
from seawall.errors import RefusedError, UnreachableError
from seawall.node.groups import Groups
from seawall.node.kernel import Kernel, Listening, Place
from seawall.node.steering import PERMILLE, Arm, Shares

ACCEPTOR = """
import selectors, socket, sys
address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chooser = selectors.DefaultSelector()
for _ in range(count):
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if address == "::":
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    one.bind((address, port))
    one.listen(128)
    chooser.register(one, selectors.EVENT_READ)
print("ready", flush=True)
kept = []
while True:
    for key, _ in chooser.select():
        kept.append(key.fileobj.accept()[0])
        kept[-1].sendall(sys.argv[4].encode())
"""


@contextmanager
def acceptor(place: Place, name: str, count: int = 2) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens with `count` sockets and says its name to whoever connects."""
    process = subprocess.Popen(
        [sys.executable, "-c", ACCEPTOR, place.address, str(place.port), str(count), name],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def ask(place: Place, host: str = "") -> str:
    with socket.create_connection((host or place.reachable, place.port), 5) as client:
        return client.recv(16).decode()


def served(place: Place, count: int = 60, host: str = "") -> set[str]:
    return {ask(place, host) for _ in range(count)}


class Unborrowing(Kernel):
    """As for an adopted Envoy of an ordinary user under Yama: nothing is borrowed."""

    def borrow(self, pid: int, descriptor: int) -> socket.socket:
        raise RefusedError("kernel-forbids", f"Borrowing {descriptor} of {pid} is forbidden.")


@pytest.mark.parametrize("kernel", [Kernel(), Unborrowing()], ids=["borrowed", "anchor"])
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_shares_are_followed_on_every_kind_of_address(kernel: Kernel, address: str) -> None:
    place = Place(address, free_port(), dual=address == "::")
    groups = Groups(kernel, SystemClock())
    with acceptor(place, "one") as stable:
        groups.close(stable.pid, [place])
        with acceptor(place, "two") as candidate:
            assert served(place) == {"one"}
            groups.learn({Arm.STABLE: stable.pid, Arm.CANDIDATE: candidate.pid}, [place])
            assert served(place) == {"one"}
            groups.share(Shares(candidate=PERMILLE))
            assert served(place) == {"two"}
            if place.dual:
                assert served(place, host="127.0.0.1") == {"two"}
            groups.share(Shares(candidate=500))
            assert served(place) == {"one", "two"}
            groups.share(Shares())
        assert served(place) == {"one"}
        groups.let_go()
        assert served(place) == {"one"}


def test_the_order_is_seen_and_not_assumed() -> None:
    """A process that restarts stands elsewhere in the group than it began."""
    place = Place("127.0.0.1", free_port())
    groups = Groups(Kernel(), SystemClock())
    with ExitStack() as stack, acceptor(place, "old") as old:
        candidate = stack.enter_context(acceptor(place, "two", 3))
        old.kill()
        old.wait()
        stable = stack.enter_context(acceptor(place, "one", 2))
        groups.learn({Arm.STABLE: stable.pid, Arm.CANDIDATE: candidate.pid}, [place])
        assert groups._groups[0].order == (Arm.CANDIDATE,) * 3 + (Arm.STABLE,) * 2
        assert served(place) == {"one"}
        groups.share(Shares(candidate=PERMILLE))
        assert served(place) == {"two"}


def test_an_index_that_is_gone_falls_to_those_who_are_left() -> None:
    place = Place("127.0.0.1", free_port())
    groups = Groups(Kernel(), SystemClock())
    with acceptor(place, "one") as stable:
        with acceptor(place, "two") as candidate:
            groups.learn({Arm.STABLE: stable.pid, Arm.CANDIDATE: candidate.pid}, [place])
            groups.share(Shares(candidate=PERMILLE))
        assert served(place) == {"one"}  # all of it was the dead one's, and nobody has steered


def test_stable_has_its_share_from_its_first_socket_after_a_restart() -> None:
    place = Place("127.0.0.1", free_port())
    groups = Groups(Kernel(), SystemClock())
    with ExitStack() as stack:
        stable = stack.enter_context(acceptor(place, "one"))
        candidate = stack.enter_context(acceptor(place, "two"))
        groups.learn({Arm.STABLE: stable.pid, Arm.CANDIDATE: candidate.pid}, [place])
        groups.share(Shares(candidate=10))
        stable.kill()
        stable.wait()
        groups.stable_is_gone()
        assert served(place) == {"two"}
        again = stack.enter_context(acceptor(place, "one"))
        assert sum(ask(place) == "two" for _ in range(300)) < 30
        groups.learn({Arm.STABLE: again.pid, Arm.CANDIDATE: candidate.pid}, [place])
        assert sum(ask(place) == "two" for _ in range(300)) < 30


class Late(Kernel):
    """One socket begins to listen only after it was looked for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.looked = 0

    def listening(self) -> tuple[Listening, ...]:
        found = super().listening()
        self.looked += 1
        if self.looked > 1:
            return found
        late = next(one for one in found if one.port == self._port)
        return tuple(one for one in found if one is not late)


def test_a_socket_that_begins_to_listen_while_the_order_is_seen_is_seen_too() -> None:
    place = Place("127.0.0.1", free_port())
    groups = Groups(Late(place.port), SystemClock())
    with acceptor(place, "one") as stable, acceptor(place, "two") as candidate:
        groups.learn({Arm.STABLE: stable.pid, Arm.CANDIDATE: candidate.pid}, [place])
        assert sorted(groups._groups[0].order) == [Arm.CANDIDATE] * 2 + [Arm.STABLE] * 2
        groups.share(Shares(candidate=PERMILLE))
        assert served(place) == {"two"}


def test_sockets_of_a_stranger_are_no_place_to_steer() -> None:
    place = Place("127.0.0.1", free_port())
    with (
        acceptor(place, "one") as stable,
        acceptor(place, "stranger"),
        pytest.raises(UnreachableError, match="Another program listens"),
    ):
        Groups(Kernel(), SystemClock()).close(stable.pid, [place])


def test_a_process_that_does_not_accept_is_said_and_stable_keeps_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seawall.node.groups.PROBE_TIMEOUT_S", 0.3)
    place = Place("127.0.0.1", free_port())
    groups = Groups(Kernel(), SystemClock())
    with acceptor(place, "one") as stable:
        groups.close(stable.pid, [place])
        with acceptor(place, "two") as candidate:
            os.kill(candidate.pid, 19)
            with pytest.raises(UnreachableError, match="does not accept"):
                groups.learn({Arm.STABLE: stable.pid, Arm.CANDIDATE: candidate.pid}, [place])
            assert served(place) == {"one"}


def test_queued_connections_are_counted() -> None:
    place = Place("127.0.0.1", free_port())
    groups = Groups(Kernel(), SystemClock())
    with acceptor(place, "one", 1) as process, ExitStack() as stack:
        os.kill(process.pid, 19)
        for _ in range(3):
            stack.enter_context(socket.create_connection((place.address, place.port)))
        assert groups.queued(process.pid) == 3
        os.kill(process.pid, 18)
        wait_until(lambda: groups.queued(process.pid) == 0, what="them to be accepted")


@pytest.mark.parametrize(
    ("address", "host"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")],
)
def test_an_anchor_takes_no_connection_while_it_stands(address: str, host: str) -> None:
    """Before there is a program the kernel's hash may choose it: the client must not be lost."""
    place = Place(address, free_port(), dual=address == "::")
    kernel = Kernel()
    with acceptor(place, "one", 1), ExitStack() as stack:
        anchor = stack.enter_context(kernel.anchor(place))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        clients = [stack.enter_context(socket.socket(family)) for _ in range(12)]
        for client in clients:
            client.settimeout(0)
            with pytest.raises(BlockingIOError):
                client.connect((host, place.port))
        anchor.close()
        for client in clients:
            client.settimeout(10)
            assert client.recv(16) == b"one"


def test_a_refusal_names_the_call() -> None:
    with socket.socket() as alone:  # without SO_REUSEPORT
        alone.bind(("127.0.0.1", 0))
        alone.listen()
        with pytest.raises(RefusedError, match="SO_ATTACH_REUSEPORT_CBPF"):
            Kernel().attach(alone, ())
        with pytest.raises(RefusedError, match="joining"):
            Kernel().anchor(Place(*alone.getsockname()))


def test_a_process_that_is_gone_is_no_refusal() -> None:
    with acceptor(Place("127.0.0.1", free_port()), "one") as process:
        pass
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        Kernel().sockets(process.pid)
    with pytest.raises(OSError, match=os.strerror(errno.ESRCH)):
        Kernel().borrow(process.pid, 3)


def test_listening_sockets_are_read_without_the_connections() -> None:
    """The kernel lists them first; a machine with many connections must not be slow to read."""
    place = Place("127.0.0.1", free_port())
    with acceptor(place, "one", 3) as process:
        found = [s for s in Kernel().listening() if s.port == place.port]
        assert {s.address for s in found} == {"127.0.0.1"}
        assert {s.inode for s in found} == set(Kernel().sockets(process.pid)) & {
            s.inode for s in found
        }
        assert len(found) == 3


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


@pytest.mark.parametrize(("way", "means"), [("own", "borrowed"), ("adopted", "anchored")])
def test_an_ordinary_user_can_steer(way: str, means: str) -> None:
    script = Path(__file__).with_name("steer_as_nobody.py")
    if os.geteuid() == 0 and not all(_open_to_all(Path(path)) for path in (script, sys.executable)):
        pytest.skip("this checkout lies where no ordinary user may enter")
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [sys.executable, str(script), way, directory, str(free_port())],
            capture_output=True,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
            cwd=directory,
            timeout=100,
            check=False,
        )
    assert done.stdout.decode() == f"kernel {means} one two one\n", done.stderr.decode()


def test_accepted_connections_are_found_by_the_port_of_their_peer() -> None:
    place = Place("127.0.0.1", free_port())
    with acceptor(place, "one"), socket.create_connection((place.address, place.port)) as client:
        assert client.recv(16) == b"one"
        port = client.getsockname()[1]
        assert set(Kernel().accepted(place.address, [port])) == {port}
        assert Kernel().accepted("127.0.0.9", [port]) == {}
        assert Kernel().accepted("::1", [port]) == {}
        assert Kernel().accepted(place.address, []) == {}


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::"])
def test_clients_with_the_ports_of_probes_do_not_change_whose_sockets_are_where(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy edge has so many that one has the port of a probe."""
    place = Place(address, free_port(), dual=address == "::")
    groups = Groups(Kernel(), SystemClock())
    accepted = Groups._accepted
    with ExitStack() as stack:
        stable = stack.enter_context(acceptor(place, "one"))
        groups.close(stable.pid, [place])
        candidate = stack.enter_context(acceptor(place, "two"))
        elsewhere = Place("127.0.0.3", free_port())
        stack.enter_context(acceptor(elsewhere, "elsewhere"))

        def crowded(groups: Groups, reachable: str, ports: list[int]) -> dict[int, int]:
            for port in ports:
                client = stack.enter_context(socket.socket())
                client.bind(("127.0.0.9", port))
                client.connect((elsewhere.address, elsewhere.port))
                assert client.recv(16) == b"elsewhere"
            return accepted(groups, reachable, ports)

        monkeypatch.setattr(Groups, "_accepted", crowded)
        groups.learn({Arm.STABLE: stable.pid, Arm.CANDIDATE: candidate.pid}, [place])
        groups.share(Shares(candidate=PERMILLE))
        assert served(place) == {"two"}
