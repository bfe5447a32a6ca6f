"""The node's memory: its state and the releases that go with it, kept on disk as well as it can.

A disk that is full or read-only costs memory of a change, never the change: the newest state is
always true in this process, and writing is tried again with every change.
"""

from collections.abc import Iterable
from pathlib import Path

from seawall.ids import Digest  # noqa: TC001 - used at run time by type hints of attributes
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

    def load(self) -> tuple[str, ...]:
        """Read the state back; what could not be read, in words."""
        self.state, problems = self._file.load()
        return problems

    def bootable(self) -> tuple[Served, ...]:
        """Releases to boot from, best first."""
        serving = (self.state.serving,) if self.state.serving else ()
        return (*serving, *self.state.good)

    def older_good(self, than: Served) -> tuple[Served, ...]:
        """Last known good releases to step back to from `than`, newest first."""
        digests = [served.digest for served in self.state.good]
        if than.digest not in digests:
            return self.state.good
        return self.state.good[digests.index(than.digest) + 1 :]

    def first_readable(self, served: Iterable[Served]) -> tuple[Loaded | None, tuple[str, ...]]:
        """See `Bundles.first_readable`."""
        return self.bundles.first_readable(served)

    def remember(self, state: NodeState, envelope: bytes | None = None) -> None:
        """Take over `state`; `envelope` is the release being attempted."""
        self.state = state
        if envelope is not None and state.attempting is not None:
            self._unsaved[state.attempting.digest] = envelope
        kept = (state.serving, state.attempting, *state.good)
        digests = {served.digest for served in kept if served is not None}
        self._unsaved = {d: e for d, e in self._unsaved.items() if d in digests}
        try:
            for digest in tuple(self._unsaved):
                self.bundles.save(digest, self._unsaved[digest])
                del self._unsaved[digest]
            self._file.save(state)
        except OSError as error:
            self.problem = (
                f"The node's memory cannot be written ({error.strerror or error}): Envoy serves "
                "on, but a restart would bring back an older release."
            )
            return
        self.problem = ""
        self.bundles.keep_only(digests)
