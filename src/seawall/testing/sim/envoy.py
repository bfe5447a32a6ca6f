"""One Envoy process and the agent's xDS session with it, on made-up time."""

from collections.abc import Callable

from seawall.errors import invariant
from seawall.ids import Digest
from seawall.node.xds.messages import Effect, Rejected, Response, Settled
from seawall.node.xds.session import Session
from seawall.testing.fake_envoy import FakeEnvoy
from seawall.testing.sim.releases import SimRelease
from seawall.testing.sim.world import World

_TURN_S = (0.001, 0.02)
_RECONNECT_S = (0.05, 0.5)
_COMMIT_TIMEOUT_S = 30.0

Ended = Callable[[str], None]
"""Told once how a commit ended: why not, or an empty text when it settled."""


class StableEnvoy:
    """The stable slot: its process outlives the agent, its session does not.

    Attributes:
        serving: of the last release that settled here; what clients meet.
        kept: what the agent serves again when a commit fails.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.envoy: FakeEnvoy | None = None
        self.session: Session | None = None
        self.serving: SimRelease | None = None
        self.kept: SimRelease | None = None
        self._aims: dict[int, SimRelease] = {}
        self._waiting: tuple[int, Ended] | None = None
        self._connection = 0
        self._busy = False

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self.envoy is not None

    @property
    def held(self) -> Digest | None:
        """Of what clients meet; None while nobody serves."""
        return self.serving.digest if self.envoy is not None and self.serving else None

    def attach(self, release: SimRelease) -> None:
        """A new agent: start a process or adopt the one there is, and let it have `release`."""
        self.session = Session()
        self._aims = {}
        self._waiting = None
        self._aim(release)
        if self.envoy is None:
            self.envoy = FakeEnvoy()
            self.serving = None
        self._reconnect()

    def leave(self) -> None:
        """The agent died: the process serves on, alone."""
        self.session = None
        self._waiting = None
        self._connection += 1

    def die(self) -> None:
        """The process exits."""
        self.envoy = None
        self._connection += 1
        self._undo("Envoy died while it took it")

    def restart(self) -> None:
        """The agent starts it again, with what it aims at."""
        if self.session is None or self.envoy is not None:
            return
        self.envoy = FakeEnvoy()
        self.serving = None
        self.session.new_process()
        self._reconnect()

    def drop_stream(self) -> None:
        """The ADS stream breaks, and is opened again soon."""
        if self.session is not None and self.envoy is not None:
            self.session.disconnected()
            self._reconnect()

    def commit(self, release: SimRelease, ended: Ended) -> None:
        """Aim at `release`; `ended` hears how it went."""
        if self.session is None:
            return
        self._aim(release)
        serial = self.session.serial
        self._waiting = (serial, ended)
        self._world.after(_COMMIT_TIMEOUT_S, lambda: self._give_up(serial))
        self._tell(self.session.tick(self._world.now_s))

    def _aim(self, release: SimRelease) -> None:
        invariant(self.session is not None, "an agent is there")
        if self.session is not None:
            serial = self.session.aim(release.snapshot, self._world.now_s)
            self._aims[serial] = release

    def _give_up(self, serial: int) -> None:
        if self._waiting is None or self._waiting[0] != serial or self.session is None:
            return
        self._undo("Envoy did not acknowledge it in time")

    def _undo(self, why: str) -> None:
        """A commit that is under way fails: what served before shall serve again."""
        if self._waiting is None:
            return
        _, ended = self._waiting
        self._waiting = None
        if self.kept is not None and self.session is not None:
            self._aim(self.kept)
            self._turn_soon()
        ended(why)

    def _reconnect(self) -> None:
        self._connection += 1
        number = self._connection

        def connect() -> None:
            if number == self._connection and self.session is not None and self.envoy is not None:
                self.session.opened(self._world.now_s)
                self.envoy.connect()
                self._turn_soon()

        self._world.after(self._world.between(*_RECONNECT_S), connect)

    def _turn_soon(self) -> None:
        if not self._busy:
            self._busy = True
            self._world.after(self._world.between(*_TURN_S), self._turn)

    def _turn(self) -> None:
        """Each side takes everything that the other has said."""
        self._busy = False
        session, envoy = self.session, self.envoy
        if session is None or envoy is None or not session.connected:
            return
        now_s = self._world.now_s
        while envoy.outbox:
            self._tell(session.request(envoy.outbox.popleft(), now_s))
        while envoy.inbox:
            envoy.step()
            invariant(not envoy.dangling(), "no route leads to a cluster that is not there")
        self._tell(session.tick(now_s))
        if envoy.inbox or envoy.outbox:
            self._turn_soon()
            return
        due_s = session.wakeup_s(now_s)
        if due_s is not None:
            number = self._connection
            self._world.after(
                max(0.001, due_s - now_s),
                lambda: self._turn_soon() if number == self._connection else None,
            )

    def _tell(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Response() if self.envoy is not None:
                    self.envoy.inbox.append(effect)
                    self._turn_soon()
                case Settled(serial):
                    self._settled(serial)
                case Rejected(serial, _, _, words):
                    self._refused(serial, words)
                case _:
                    pass

    def _settled(self, serial: int) -> None:
        self.serving = self._aims[serial]
        if self._waiting is not None and self._waiting[0] == serial:
            _, ended = self._waiting
            self._waiting = None
            self.kept = self.serving
            ended("")

    def _refused(self, serial: int, words: str) -> None:
        if self._waiting is not None and self._waiting[0] == serial:
            self._undo(f"Envoy refused it: {words}")
