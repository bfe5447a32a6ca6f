"""The node's memory: its state and the releases that go with it, kept on disk as well as it can.

A disk that is full or read-only costs memory of a change, never the change: the newest state is
always true in this process, and writing is tried again with every change and in between.
"""

from collections.abc import Iterable
from pathlib import Path

from seawall.ids import Digest
from seawall.node.files import Writer
from seawall.node.lastgood import Bundles, Loaded, Opener
from seawall.node.state import NodeState, Served, StateFile


class Memory:
    """What the node knows, in `home`.

    Attributes:
        state: the newest.
        problem: why it is not on disk; empty when it is.
    """

    def __init__(self, home: Path, opener: Opener, *, write: Writer) -> None:
        self.state = NodeState()
        self.problem = ""
        self.bundles = Bundles(home / "bundles", opener, write=write)
        self._file = StateFile(home, write=write)
        self._unsaved: dict[Digest, bytes] = {}
        self._kept: frozenset[Digest] = frozenset()

    def load(self) -> tuple[str, ...]:
        """Read the state back; what could not be read, in words."""
        self.state, problems = self._file.load()
        self._kept = self.state.needed()
        return problems

    def bootable(self) -> tuple[Served, ...]:
        """Releases to boot from, best first."""
        serving = (self.state.serving,) if self.state.serving else ()
        return (*serving, *self.state.good)

    def first_readable(self, served: Iterable[Served]) -> tuple[Loaded | None, tuple[str, ...]]:
        """See `Bundles.first_readable`."""
        return self.bundles.first_readable(served)

    def hold(self, digest: Digest, envelope: bytes) -> None:
        """Keep this release with the next state that needs it."""
        self._unsaved[digest] = envelope

    def remember(self, state: NodeState) -> None:
        """Take over `state`, and forget releases that it does not need."""
        self.state = state
        digests = state.needed()
        self._unsaved = {d: e for d, e in self._unsaved.items() if d in digests}
        try:
            self._write_or_make_room(state)
        except OSError as error:
            self.problem = (
                f"The node's memory cannot be written ({error.strerror or error}): Envoy serves "
                "on, but a restart would bring back an older release."
            )
            return
        self.problem = ""
        self._kept = digests
        self.bundles.keep_only(digests)

    def _write_or_make_room(self, state: NodeState) -> None:
        """On a full disk, what neither this state nor the one on disk needs goes first."""
        try:
            self._write(state)
        except OSError:
            self.bundles.keep_only(state.needed() | self._kept)
            self._write(state)

    def _write(self, state: NodeState) -> None:
        for digest in tuple(self._unsaved):
            self.bundles.save(digest, self._unsaved[digest])
            del self._unsaved[digest]
        self._file.save(state)
