"""What is asked of the releaser: content, who wants it, and what it may pass."""

from dataclasses import dataclass
from typing import Final

from seawall.api.extras import AS_CURRENT, Extras
from seawall.release.release import Kind
from seawall.rollout.state import Speed
from seawall.site.sources import SourceSet

SPEEDS: Final = {
    Kind.SITE: Speed.CONFIG,
    Kind.CERTIFICATES: Speed.CONFIG,
    Kind.FEED: Speed.FEED,
    Kind.SWITCH: Speed.SWITCH,
}
"""How each kind of release is brought out."""
_SUBJECTS: Final = {
    Kind.SITE: "a site file",
    Kind.CERTIFICATES: "new certificates",
    Kind.FEED: "a feed",
    Kind.SWITCH: "kill switches",
}


@dataclass(frozen=True)
class Order:
    """A release that somebody asks for.

    Attributes:
        feed: of a feed, its name.
        break_glass: skip the steps of the rollout; recorded.
    """

    sources: SourceSet
    author: str
    message: str = ""
    kind: Kind = Kind.SITE
    dry_run: bool = False
    force: tuple[str, ...] = ()
    parent: str = ""
    extras: Extras = AS_CURRENT
    feed: str = ""
    break_glass: bool = False

    @property
    def is_tried(self) -> bool:
        """Whether it becomes a release that a node tries first, and may get ready for."""
        return self.kind is Kind.SITE and not self.dry_run and not self.break_glass

    @property
    def words(self) -> str:
        """For whoever comes second."""
        what = "tries" if self.dry_run else "applies"
        return f"{self.author} {what} {_SUBJECTS[self.kind]}"
