"""What a release may want besides its site file: other kill switches, a pushed feed, pinned files.

What is not asked for is taken from the current release. This file is what control knows of it; the
workbench carries it out (`ingredients`).
"""

from dataclasses import dataclass
from typing import Final

from seawall.model import Switch
from seawall.site.sources import Pushed


@dataclass(frozen=True, slots=True)
class Extras:
    """What a release wants to be otherwise than the current one.

    Attributes:
        switches: all of them; None keeps those of the current release whose time is not over.
        feeds: what was pushed now, instead of what was pushed before under the same name.
        pinned: files are those that the current release was built from, whatever is on disk.
        fresh: of a pinned release, paths that are read from disk all the same.
    """

    switches: tuple[Switch, ...] | None = None
    feeds: tuple[Pushed, ...] = ()
    pinned: bool = False
    fresh: tuple[str, ...] = ()


AS_CURRENT: Final = Extras()
"""Nothing but the site file, and its files as they are on disk."""
