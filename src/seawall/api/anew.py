"""The current release compiled once more, by the Seawall that runs now.

After an update of Seawall the same site file compiles to something else, often in every part. For
the mass-change guard that is no change: what people wrote is the same. It asks here before it
refuses, and only then, so that an ordinary release pays nothing.
"""

import hashlib

from seawall.api.candidate import Maker, served_by
from seawall.api.extras import Extras
from seawall.api.ingredients import PinnedReader, Stash
from seawall.compiler.snapshot import Snapshot
from seawall.errors import SeawallError
from seawall.release.bundle import Bundle
from seawall.site.load import Loaded

_PEM = b"-----BEGIN "


def compiled_anew(maker: Maker, current: Bundle, stash: Stash) -> Snapshot | None:
    """What `current` would be if it were compiled now; None when it cannot be told."""
    loaded = loaded_anew(maker, current, stash)
    if loaded is None:
        return None
    try:
        made = maker.compile(current.sources, loaded, current.kind, current.switches)
    except SeawallError:
        return None
    return made.bundle.snapshot


def loaded_anew(maker: Maker, current: Bundle, stash: Stash) -> Loaded | None:
    """The configuration of `current`, which has an edge.

    Files are read as the release read them. Where that is not possible any more nobody can tell
    what changed, so there is no answer; but certificates may have been renewed: that is ordinary.

    Returns:
        None when it cannot be told.
    """
    reader = PinnedReader.of(Extras(pinned=True), current, stash)
    loaded = maker.load(current.sources, reader, current.feeds, served_by(current, current.sources))
    if loaded.edge is None:
        return None
    was = {file.path: file.sha256 for file in current.files}
    for path, content in reader.contents.items():
        same = hashlib.sha256(content).hexdigest() == was.get(path)
        if not same and not content.startswith(_PEM):
            return None
    return loaded
