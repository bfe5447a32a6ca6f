"""What was worked out of the last two snapshots: most often what serves, and the last try."""

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from seawall.compiler.snapshot import Snapshot

if TYPE_CHECKING:
    from seawall.ids import Digest

ValueT = TypeVar("ValueT")
_REMEMBERED: Final = 2


class Remembered(Generic[ValueT]):
    """By the digest of a snapshot; whatever was asked for or kept last stays."""

    def __init__(self) -> None:
        self._known: dict[Digest, ValueT] = {}

    def of(self, snapshot: Snapshot) -> ValueT | None:
        """What was kept of it; None when nothing was, or it was long ago."""
        if (found := self._known.get(snapshot.digest)) is not None:
            self.keep(snapshot, found)
        return found

    def keep(self, snapshot: Snapshot, value: ValueT) -> None:
        """Remember it, and forget the third."""
        self._known.pop(snapshot.digest, None)
        self._known[snapshot.digest] = value
        for oldest in list(self._known)[:-_REMEMBERED]:
            del self._known[oldest]
