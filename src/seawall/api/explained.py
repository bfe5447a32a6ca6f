"""What the store knows beside an access record: the bot model and the policy that it names.

A bundle is large, so at most a few are read for one story. What is not found is told as unknown.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall.api.releases import bundle_of
from seawall.bots import artifact
from seawall.bots.starter import starter_content
from seawall.errors import SeawallError
from seawall.ids import ListName, ReleaseId
from seawall.limits import (
    BOT_MODEL_SIZE_BYTES_MAX,
    WHY_BUNDLES_MAX,
    WHY_PARENTS_MAX,
)
from seawall.release.bundle import Bundle
from seawall.release.release import Kind, ReleaseRecord
from seawall.release.store import Store
from seawall.site.sources import BOT_MODEL, BOT_SHADOW
from seawall.telemetry.bot_policy import policy_of
from seawall.telemetry.bot_story import KnownBots, KnownModel
from seawall.telemetry.bots import parse_verdict
from seawall.telemetry.records import AccessRecord

_BROUGHT: Final = "release {} brought it"
_CARRIED: Final = "release {} contains it, and earlier ones may too"


def known_bots(store: Store, record: AccessRecord) -> KnownBots:
    """The model and the policy that a record names; blocks on the disk."""
    release = _release(store, record.release)
    bundle = _bundle(store, release) if release is not None else None
    policy = policy_of(bundle.snapshot, record.route, tls=bool(record.tls)) if bundle else None
    verdict = parse_verdict(record.bots)
    if verdict is None or not verdict.model:
        return KnownBots(policy=policy)
    found, shadow = None, ""
    if release is not None and bundle is not None:
        found = _model_of(store, release, bundle, verdict.model)
        shadow = _shadow_name(bundle, verdict.shadow)
    return KnownBots(found or _starter(verdict.model), policy, shadow)


def _shadow_name(bundle: Bundle, digest: str) -> str:
    """The name of the shadow that a record names; empty when it is not kept here."""
    if not digest:
        return ""
    content = _pushed(bundle, digest, BOT_SHADOW)
    found = _known(content, digest, "") if content else _of_file(bundle, digest)
    return found.model.name if found is not None else ""


def _model_of(
    store: Store, release: ReleaseRecord, bundle: Bundle, digest: str
) -> KnownModel | None:
    pushed = _pushed(bundle, digest)
    if pushed is not None:
        return _known(pushed, digest, _came(store, release, digest))
    return _of_file(bundle, digest)


def _of_file(bundle: Bundle, digest: str) -> KnownModel | None:
    for file in bundle.files:
        if file.sha256.startswith(digest):
            content = _read(Path(file.path))
            if content is not None and _names(content, digest):
                return _known(content, digest, f"it is the file {file.path}")
    return None


def _came(store: Store, release: ReleaseRecord, digest: str) -> str:
    """With which release a pushed model came: the oldest in a row that carries it."""
    oldest, sure = release, release.kind is Kind.FEED
    for read, parent in enumerate(_feeds_before(store, release)):
        bundle = _bundle(store, parent) if read < WHY_BUNDLES_MAX else None
        if bundle is None:
            sure = False
            break
        if _pushed(bundle, digest) is None:
            break
        oldest, sure = parent, True
    return (_BROUGHT if sure else _CARRIED).format(oldest.id)


def _feeds_before(store: Store, release: ReleaseRecord) -> Iterator[ReleaseRecord]:
    """Ancestors that brought machine-made data, newest first; only such bring a model."""
    for _ in range(WHY_PARENTS_MAX):
        found = _release(store, release.parent or "")
        if found is None:
            return
        release = found
        if release.kind is Kind.FEED:
            yield release


def _starter(digest: str) -> KnownModel | None:
    content = starter_content()
    if content is None or not _names(content, digest):
        return None
    return _known(content, digest, "it is the model that Seawall ships")


def _pushed(bundle: Bundle, digest: str, name: ListName = BOT_MODEL) -> bytes | None:
    contents = (feed.content for feed in bundle.feeds if feed.name == name)
    return next((content for content in contents if _names(content, digest)), None)


def _known(content: bytes, digest: str, came: str) -> KnownModel | None:
    with suppress(SeawallError):
        return KnownModel(artifact.read(content), digest, came)
    return None


def _names(content: bytes, digest: str) -> bool:
    return hashlib.sha256(content).hexdigest().startswith(digest)


def _read(path: Path) -> bytes | None:
    with suppress(OSError), path.open("rb") as file:
        return file.read(BOT_MODEL_SIZE_BYTES_MAX + 1)
    return None


def _release(store: Store, release: str) -> ReleaseRecord | None:
    with suppress(SeawallError):
        return store.get(ReleaseId(release))
    return None


def _bundle(store: Store, release: ReleaseRecord) -> Bundle | None:
    with suppress(SeawallError):
        return bundle_of(store, release)
    return None
