"""What goes into a release besides its site file: kill switches, pushed feeds, and which files.

A release that was not asked to change a thing takes it from the current one: a new site file keeps
the switches that are on, and a switch or a feed keeps every file as the current release read it.
An emergency must not fail, or change a certificate, because of a file that somebody is editing.
"""

import hashlib
import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.api.extras import Extras
from seawall.api.refusals import model_is_a_file, no_shadow
from seawall.api.work import FeedFacts, ModelFacts
from seawall.bots import artifact
from seawall.bots.script import MODEL_ID_LENGTH
from seawall.bots.starter import starter_content
from seawall.challenge import keys
from seawall.compiler.deny import lists_held
from seawall.compiler.model_words import model_of, ranges_held, shadow_of
from seawall.compiler.snapshot import TypeUrl
from seawall.errors import ConflictError, NotFoundError, RefusedError, UsageError
from seawall.ids import ListName, SiteName
from seawall.model import FEATURES, BotMode, Edge, Switch
from seawall.model.jobs import Jobs
from seawall.model.switches import (
    shared_with,
    still_on,
    switch_words,
    with_switch,
    without_switch,
)
from seawall.release.bundle import Bundle
from seawall.site.build_jobs import jobs_of
from seawall.site.build_model import fault_of
from seawall.site.disk import read_file
from seawall.site.files import absolute
from seawall.site.load import Loaded
from seawall.site.parse import value_of
from seawall.site.sources import BOT_MODEL, BOT_SHADOW, CLEARANCE_KEYS, Pushed
from seawall.site.tree import MapNode, Node

_NAMES_SHOWN: Final = 10


def switches_of(
    extras: Extras, current: Bundle | None, edge: Edge, now_s: float
) -> tuple[Switch, ...]:
    """The switches that a new release of `edge` is compiled with.

    Those whose time is over, or whose site is gone, end with it.

    Raises:
        UsageError: a switch for a site that is not there.
        NotFoundError: a switch that is not on shall end.
        RefusedError: too many switches.
    """
    switches = still_on(current.switches if current is not None else (), now_s)
    sites = {site.name for site in edge.sites}
    if extras.on is not None:
        _require_site(extras.on, sites)
        switches = with_switch(switches, extras.on)
    if extras.off is not None:
        left = without_switch(switches, *extras.off)
        if left == switches:
            raise NotFoundError(
                "switch-not-on",
                f"There is no kill switch on {switch_words(*extras.off)}.",
                remedy="See `seawall kill --list`.",
            )
        switches = left
    if len(switches) > limits.SWITCHES_MAX:
        raise RefusedError(
            "too-many-switches",
            f"{len(switches)} kill switches would be on; at most {limits.SWITCHES_MAX} are "
            "allowed.",
            remedy="End one with `seawall unkill`, or change the site file.",
        )
    return tuple(switch for switch in switches if switch.site is None or switch.site in sites)


def notes_of(extras: Extras, edge: Edge) -> tuple[str, ...]:
    """What a person should know of the switch that they throw."""
    switch = extras.on
    if switch is None:
        return ()
    about = FEATURES[switch.feature]
    notes = [about.without]
    if about.opens:
        notes.append(f"This lowers protection: {about.opens}")
    if switch.site is not None:
        others = shared_with(edge, switch.feature, switch.site)
        if others:
            named = ", ".join(others[:_NAMES_SHOWN]) + (" ..." if others[_NAMES_SHOWN:] else "")
            notes.append(f"Sites share origins, so it is also off for: {named}.")
    return tuple(notes)


def feeds_of(extras: Extras, current: Bundle | None, now_s: float) -> tuple[Pushed, ...]:
    """What has been pushed, by name; the loader keeps what its site file knows.

    A shadow that came before, and that this Seawall does not read, is left behind: what decides
    nothing must not keep a certificate from its release.

    Raises:
        NotFoundError: a shadow shall go that was not pushed.
        ConflictError: another one than somebody wants to promote.
    """
    by_name = {feed.name: feed for feed in (current.feeds if current is not None else ())}
    if extras.feed is not None:
        by_name[extras.feed.name] = extras.feed
    if extras.promote or extras.unshadow:
        shadow = _shadow(by_name.pop(BOT_SHADOW, None), extras.promote)
        if extras.promote:
            by_name[BOT_MODEL] = Pushed(BOT_MODEL, shadow.content)
    if extras.rotate_keys and CLEARANCE_KEYS in by_name:
        content = by_name[CLEARANCE_KEYS].content
        by_name[CLEARANCE_KEYS] = Pushed(CLEARANCE_KEYS, keys.rotated(content, os.urandom, now_s))
    carried = by_name.get(BOT_SHADOW)
    if carried is not None and carried is not extras.feed and fault_of(carried.content):
        del by_name[BOT_SHADOW]
    return tuple(by_name[name] for name in sorted(by_name))


def left_behind(extras: Extras, current: Bundle | None, feeds: Sequence[Pushed]) -> tuple[str, ...]:
    """What a person should know of a shadow that `feeds_of` left behind."""
    asked = extras.promote or extras.unshadow
    held = () if current is None or asked else current.feeds
    if all(each.name != BOT_SHADOW for each in held) or any(
        each.name == BOT_SHADOW for each in feeds
    ):
        return ()
    return ("This Seawall cannot read the pushed shadow model, so the release goes without it.",)


def _shadow(pushed: Pushed | None, wanted: str) -> Pushed:
    if pushed is None:
        raise no_shadow()
    if not artifact.digest(pushed.content).startswith(wanted):
        raise ConflictError(
            "shadow-changed",
            f"The shadow model {wanted[:12]} has been replaced: another one was pushed.",
            remedy="Look at the new one with `seawall bots shadow`.",
        )
    return pushed


def with_keys(loaded: Loaded, feeds: Sequence[Pushed], now_s: float) -> tuple[Pushed, ...] | None:
    """The feeds with first clearance keys, when the loaded edge needs keys and has none."""
    edge = loaded.edge
    if edge is None or edge.clearance_keys is not None:
        return None
    if all(site.bots.mode is not BotMode.ENFORCE for site in edge.sites):
        return None
    return (*feeds, Pushed(CLEARANCE_KEYS, keys.fresh(os.urandom, now_s)))


def written_bots(bundle: Bundle) -> Node:
    """What the site file of a release says under `bots`; None when it says nothing usable."""
    root = bundle.sources.by_path[bundle.sources.root]
    return value_of(root.path, root.content, "bots")


def job_settings(bundle: Bundle, written: Node) -> Jobs:
    """What the site file of a release wants done at intervals."""
    return jobs_of(bundle.sources.root, written)


def keys_issued_s(bundle: Bundle) -> float | None:
    """When the key that signs clearances was made; None when nothing is signed."""
    content = next((feed.content for feed in bundle.feeds if feed.name == CLEARANCE_KEYS), None)
    try:
        return None if content is None else float(keys.read(content).issued_s)
    except RefusedError:
        return None


def require_feed(extras: Extras, loaded: Loaded) -> None:
    """Refuse a push into something that takes none, and a promotion to a model that is a file.

    Raises:
        NotFoundError: the site file has no such list.
        ConflictError: the list is a file.
    """
    if extras.promote and all(each.name != BOT_MODEL for each in loaded.pushed):
        raise model_is_a_file()
    feed = extras.feed
    if feed is None or feed in loaded.pushed:
        return
    if f"list {feed.name}" in loaded.locations:
        raise ConflictError(
            "feed-is-a-file",
            f"The feed {feed.name} is read from a file.",
            remedy="Change that file: Seawall picks it up by itself. Or remove it from the site "
            "file.",
        )
    raise NotFoundError(
        "feed-unknown",
        f"The site file has no list {feed.name[:60]!r}.",
        remedy="Write it under `lists`, and apply; see `seawall feed list`.",
    )


def _require_site(switch: Switch, sites: Collection[SiteName]) -> None:
    if switch.site is not None and switch.site not in sites:
        known = ", ".join(sorted(sites)[:_NAMES_SHOWN])
        raise UsageError(
            "site-unknown",
            f"There is no site {switch.site[:60]!r}.",
            remedy=f"Sites are: {known}{' ...' if sites and len(sites) > _NAMES_SHOWN else ''}.",
        )


def feed_facts(bundle: Bundle) -> tuple[FeedFacts, ...]:
    """The lists of a release: where they come from, and how long they are."""
    root = bundle.sources.by_path[bundle.sources.root]
    written = value_of(root.path, root.content, "lists")
    ranges = ranges_held(bundle.snapshot)
    held = {name: found.networks for name, found in ranges.items()}
    for resource in bundle.snapshot.of_type(TypeUrl.ROUTES):
        held |= {name: len(entries) for name, entries in lists_held(resource.table).items()}
    pushed = {feed.name: len(feed.content) for feed in bundle.feeds}
    return tuple(
        FeedFacts(
            name=ListName(str(name)),
            path=_path_of(root.path, section),
            entries=held.get(str(name)),
            pushed_bytes=pushed.get(ListName(str(name))),
            fetched_s=ranges[str(name)].fetched_s if str(name) in ranges else None,
        )
        for name, section in (written.items() if isinstance(written, MapNode) else ())
    )


def model_facts(bundle: Bundle, written: Node, stash: "Stash") -> ModelFacts:
    """The bot model that a release was compiled with; its file may be gone."""
    path, content = _content(bundle, written, stash, "model", BOT_MODEL)
    compiled = model_of(bundle.snapshot)
    if compiled is None:
        return ModelFacts(path)
    source = "file" if path else "starter" if content is None else "pushed"
    if source == "starter":
        content = starter_content()
    return _facts(path, source, compiled.id, compiled.name, content)


def shadow_facts(bundle: Bundle, written: Node, stash: "Stash") -> ModelFacts:
    """The shadow of a release: also of one that is not compiled while bots are killed."""
    path, content = _content(bundle, written, stash, "shadow", BOT_SHADOW)
    compiled = shadow_of(bundle.snapshot)
    if content is None and compiled is None:
        return ModelFacts(path)
    of_content = "" if content is None else artifact.digest(content)[:MODEL_ID_LENGTH]
    found, name = (compiled.id, compiled.name) if compiled is not None else (of_content, "")
    return _facts(path, "file" if path else "pushed", found, name, content)


def _content(
    bundle: Bundle, written: Node, stash: "Stash", key: str, feed: ListName
) -> tuple[str, bytes | None]:
    """The file that the site file names, or nothing; and what it or the feed held."""
    file = written.get(key) if isinstance(written, MapNode) else None
    if not isinstance(file, str):
        return "", next((each.content for each in bundle.feeds if each.name == feed), None)
    path = absolute(bundle.sources.root, file)
    sha256 = next((one.sha256 for one in bundle.files if one.path == path), "")
    return path, stash.read(sha256) if sha256 else None


def _facts(path: str, source: str, digest: str, name: str, content: bytes | None) -> ModelFacts:
    known = content is not None and artifact.digest(content).startswith(digest)
    try:
        model = artifact.remembered(content) if content is not None and known else None
    except RefusedError:  # of an older Seawall, whose features meant something else
        model = None
    if model is None:
        return ModelFacts(path, digest, source, name)
    return ModelFacts(
        path=path,
        id=digest,
        source=source,
        name=model.name,
        created=model.created,
        features=len(model.features),
        trees=len(model.trees),
        metrics=model.metrics,
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
                # A machine that lost power may have cut a copy off, most often to nothing.
                if path.exists() and path.stat().st_size == len(content):
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


class PinnedReader:
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
    def of(cls, extras: Extras, current: Bundle | None, stash: Stash) -> "PinnedReader":
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
