"""What a release may want besides its site file: a kill switch, a pushed feed, pinned files.

What is not asked for is taken from the current release. This file is what control knows of it; the
workbench carries it out (`ingredients`).
"""

from dataclasses import dataclass
from typing import Final

from seawall.ids import SiteName
from seawall.model import Feature, Switch
from seawall.site.sources import Pushed


@dataclass(frozen=True, slots=True)
class Extras:
    """What a release wants to be otherwise than the current one.

    Attributes:
        on: a kill switch to throw, also instead of one for the same thing.
        off: a kill switch to end.
        feed: what was pushed now, instead of what was pushed before under the same name.
        pinned: files are those that the current release was built from, whatever is on disk.
        fresh: of a pinned release, paths that are read from disk all the same.
        promote: first digits of the digest of the shadow that becomes the bot model, or empty.
        unshadow: take the shadow away that was pushed.
        rotate_keys: sign clearances with a new key.
        at_s: Unix seconds by control's clock, for switches that are over; None asks the machine.
    """

    on: Switch | None = None
    off: tuple[Feature, SiteName | None] | None = None
    feed: Pushed | None = None
    pinned: bool = False
    fresh: tuple[str, ...] = ()
    promote: str = ""
    unshadow: bool = False
    rotate_keys: bool = False
    at_s: float | None = None


AS_CURRENT: Final = Extras()
"""Nothing but the site file, and its files as they are on disk."""
