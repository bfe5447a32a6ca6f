"""What goes into a release besides its site file: kill switches, pushed feeds, and which files.

A release that was not asked to change a thing takes it from the current one: a new site file keeps
the switches that are on, and a switch or a feed keeps every file as the current release read it.
An emergency must not fail, or change a certificate, because of a file that somebody is editing.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from envoy.config.route.v3 import route_pb2

from seawall import limits
from seawall.api.extras import Extras
from seawall.api.work import FeedFacts
from seawall.compiler.deny import lists_in
from seawall.compiler.snapshot import TypeUrl
from seawall.ids import ListName
from seawall.model import Switch
from seawall.model.switches import still_on
from seawall.release.bundle import Bundle
from seawall.site.collect import read_file
from seawall.site.files import absolute
from seawall.site.parse import value_of
from seawall.site.sources import Pushed
from seawall.site.tree import MapNode


def switches_of(extras: Extras, current: Bundle | None, now_s: float) -> tuple[Switch, ...]:
    """The switches that a new release is compiled with."""
    if extras.switches is not None:
        return extras.switches
    return still_on(current.switches, now_s) if current is not None else ()


def feeds_of(extras: Extras, current: Bundle | None) -> tuple[Pushed, ...]:
    """What has been pushed, by name; the loader keeps what its site file knows."""
    by_name = {feed.name: feed for feed in (current.feeds if current is not None else ())}
    by_name |= {feed.name: feed for feed in extras.feeds}
    return tuple(by_name[name] for name in sorted(by_name))


def feed_facts(bundle: Bundle) -> tuple[FeedFacts, ...]:
    """The lists of a release: where they come from, and how long they are."""
    root = bundle.sources.by_path[bundle.sources.root]
    written = value_of(root.path, root.content, "lists")
    held: dict[str, int] = {}
    for resource in bundle.snapshot.of_type(TypeUrl.ROUTES):
        configuration = route_pb2.RouteConfiguration.FromString(resource.body)
        held |= {name: len(entries) for name, entries in lists_in(configuration).items()}
    pushed = {feed.name: len(feed.content) for feed in bundle.feeds}
    return tuple(
        FeedFacts(
            name=ListName(str(name)),
            path=_path_of(root.path, section),
            entries=held.get(str(name)),
            pushed_bytes=pushed.get(ListName(str(name))),
        )
        for name, section in (written.items() if isinstance(written, MapNode) else ())
    )


def _path_of(root: str, section: object) -> str:
    file = section.get("file") if isinstance(section, MapNode) else section
    return absolute(root, file) if isinstance(file, str) else ""


class Stash:
    """Copies of the files that recent releases were built from, by SHA-256; private and bounded.

    It is a convenience: a copy that is missing or damaged is not there, and nothing else.

    Args:
        folder: made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, contents: Sequence[bytes]) -> None:
        """Keep copies, and drop the oldest over the bound, but none of these; never raises."""
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            names = {hashlib.sha256(content).hexdigest(): content for content in contents}
            for name, content in names.items():
                path = self._folder / name
                if path.exists():
                    os.utime(path)
                else:
                    _write(path, content)
            self._bound(names)

    def read(self, sha256: str) -> bytes | None:
        """The copy with that digest."""
        try:
            content = read_file(str(self._folder / sha256))
        except OSError:
            return None
        return content if hashlib.sha256(content).hexdigest() == sha256 else None

    def _bound(self, spared: Mapping[str, bytes]) -> None:
        found = sorted((p.stat().st_mtime_ns, p.stat().st_size, p) for p in self._folder.iterdir())
        total = sum(size for _, size, _ in found)
        for _, size, path in found:
            if total <= limits.STASH_SIZE_BYTES_MAX:
                return
            if path.name not in spared:
                path.unlink(missing_ok=True)
                total -= size


class Reader:
    """Reads the files that a site file names, and remembers them for the stash.

    Args:
        stash: where copies are.
        pins: path to SHA-256 of files that must be read as they were.
    """

    def __init__(self, stash: Stash, pins: Mapping[str, str]) -> None:
        self._stash = stash
        self._pins = pins
        self.contents: dict[str, bytes] = {}

    @classmethod
    def of(cls, extras: Extras, current: Bundle | None, stash: Stash) -> "Reader":
        """The reader of a release after `current`."""
        files = current.files if extras.pinned and current is not None else ()
        return cls(stash, {f.path: f.sha256 for f in files if f.path not in extras.fresh})

    def __call__(self, path: str) -> bytes:
        """The content of a file.

        A pinned file whose old content is nowhere any more is taken as it is on disk.

        Raises:
            OSError: missing or unreadable.
        """
        pin = self._pins.get(path)
        content = self._stash.read(pin) if pin is not None else None
        if content is None:
            content = read_file(path)
        self.contents[path] = content
        return content

    def keep(self) -> None:
        """Put copies of what was read into the stash."""
        self._stash.keep(tuple(self.contents.values()))


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by its owner only."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).rename(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
