"""The bundle: what a release holds, as one run of bytes named by its SHA-256.

Layout: magic, manifest length (4 bytes, big-endian), manifest, then every part back to back in
the order of the manifest. The manifest is canonical JSON and lists each part with its size and
SHA-256; the digest of a bundle is the SHA-256 of its manifest, so it names every byte. Equal
content gives equal bytes. Resource bodies are carried as they are and never parsed here.

Decoding is strict: whatever `encode` would not have written is refused, so two different runs of
bytes never decode to one bundle. A bundle may hold private keys (SDS secrets): it is kept in
files of mode 0600 only, and nothing here puts a part's bytes into a message.
The order of resources is by type URL text, not by `TypeUrl`, whose order may change between
versions while stored bundles stay.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from seawall import limits
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.errors import InternalError, RefusedError
from seawall.ids import Digest, ListName, SiteName
from seawall.model import Feature, Golden, RolloutPolicy, Switch
from seawall.release import canonical
from seawall.release.canonical import Fields, Json, unreadable
from seawall.release.release import Kind
from seawall.release.rollout_part import decode_part, encode_part
from seawall.site.sources import Pushed, SourceFile, SourceSet

FORMAT: Final = 2
"""The newest of the manifest. A change here needs a new folder in tests/golden/history. A bundle
is written in the oldest format that holds it, so what an older Seawall made keeps its digest: 1
knows sources, files and resources; 2 has the optional parts too, each left out when empty."""

_FIRST_KINDS: Final = (Kind.SITE, Kind.CERTIFICATES)
"""Kinds that format 1 knows."""
MAGIC: Final = b"SEAWBNDL"
HEADER_SIZE_BYTES: Final = len(MAGIC) + 4
_SHA256_HEX: Final = re.compile("[0-9a-f]{64}")
_WHAT: Final = "the release bundle"


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file that the site file names (certificate, key, error page): absolute path, SHA-256.

    Only the digest is kept: what the file said is already compiled into the snapshot.
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """The content of a release.

    Attributes:
        sources: the site file and its includes, as text.
        files: what else was read, so that a later change on disk can be told.
        snapshot: the compiled resources.
        seawall_version: of the compiler that made the snapshot.
        envoy_version: of the Envoy it was made for.
        switches: kill switches that the snapshot was compiled with.
        feeds: what was pushed into feeds that no file holds.
        golden: requests whose answers prove that it works.
        policy: how it wants to be brought out; None as usual.
    """

    kind: Kind
    sources: SourceSet
    files: tuple[FileDigest, ...]
    snapshot: Snapshot
    seawall_version: str
    envoy_version: str
    switches: tuple[Switch, ...] = ()
    feeds: tuple[Pushed, ...] = ()
    golden: tuple[Golden, ...] = ()
    policy: RolloutPolicy | None = None

    def __repr__(self) -> str:  # neither text nor bodies belong into a log
        return (
            f"Bundle({self.kind}, {len(self.sources.files)} sources, "
            f"{len(self.snapshot.resources)} resources)"
        )


def encode(bundle: Bundle) -> bytes:
    """The bytes of a bundle.

    Raises:
        RefusedError: it is larger than Seawall stores or carries.
    """
    manifest, parts = _manifest(bundle)
    size_bytes = HEADER_SIZE_BYTES + len(manifest) + sum(len(part) for part in parts)
    if size_bytes > limits.BUNDLE_SIZE_BYTES_MAX:
        raise _oversized(size_bytes)
    if len(manifest) > limits.BUNDLE_MANIFEST_SIZE_BYTES_MAX:
        raise _oversized(len(manifest))
    return b"".join((MAGIC, len(manifest).to_bytes(4, "big"), manifest, *parts))


def manifest_size_bytes(data: bytes) -> int:
    """How long the manifest is that follows the header of an encoded bundle."""
    return int.from_bytes(data[len(MAGIC) : HEADER_SIZE_BYTES])


def digest_of(data: bytes) -> Digest:
    """The digest that names an encoded bundle, which must be one that `decode` takes.

    Raises:
        RefusedError: it does not begin like a bundle.
    """
    return Digest(hashlib.sha256(_cut_manifest(data)).hexdigest())


def format_of(data: bytes) -> int:
    """The format that an encoded bundle is written in, which must be one that `decode` takes.

    Raises:
        RefusedError: it does not begin like a bundle.
    """
    value = canonical.loads(_cut_manifest(data), "the manifest of the release bundle")
    return Fields(value, _WHAT, text_length_chars_max=0).whole("format", largest=FORMAT)


def files_digest(contents: Iterable[bytes]) -> str:
    """What names a site file and its includes, wherever they lie; root first, then in order."""
    return _files_digest(hashlib.sha256(content).hexdigest() for content in contents)


def files_digest_of(head: bytes) -> str:
    """What names the site file and its includes of an encoded bundle; its beginning is enough.

    Raises:
        RefusedError: it does not begin like a bundle.
    """
    value = canonical.loads(_cut_manifest(head), "the manifest of the release bundle")
    top = Fields(value, _WHAT, text_length_chars_max=limits.BUNDLE_TEXT_LENGTH_CHARS_MAX)
    entries = top.listing("sources", length_max=limits.SITE_INCLUDES_MAX + 1)
    return _files_digest(
        _sha256(Fields(entry, _WHAT, text_length_chars_max=limits.BUNDLE_TEXT_LENGTH_CHARS_MAX))
        for entry in entries
    )


def decode(data: bytes) -> Bundle:
    """The bundle in `data`, with every part checked against the manifest.

    Raises:
        RefusedError: truncated, changed, oversized, of another format, or not a bundle at all.
    """
    if len(data) > limits.BUNDLE_SIZE_BYTES_MAX:
        raise _oversized(len(data))
    manifest = _cut_manifest(data)
    value = canonical.loads(manifest, "the manifest of the release bundle")
    _require_known_format(value.get("format"))
    bundle = _Reader(data, value).bundle()
    try:
        written, _ = _manifest(bundle)
    except InternalError as error:
        raise unreadable(_WHAT, "lists one resource twice") from error
    if written != manifest:
        raise unreadable(_WHAT, "has a manifest that is not in its canonical form")
    return bundle


def _manifest(bundle: Bundle) -> tuple[bytes, list[bytes]]:
    resources = sorted(bundle.snapshot.resources, key=lambda r: (r.type_url.value, r.name))
    sources = bundle.sources.files
    parts = [file.content for file in sources] + [resource.body for resource in resources]
    parts += [feed.content for feed in bundle.feeds]
    rollout = b""
    if bundle.golden or bundle.policy is not None:
        rollout = encode_part(bundle.golden, bundle.policy)
        parts.append(rollout)
    source_entries: list[Json] = [{"path": f.path, **_seal(f.content)} for f in sources]
    resource_entries: list[Json] = [
        {"name": r.name, "owner": r.owner, "type": r.type_url.value, **_seal(r.body)}
        for r in resources
    ]
    files: list[Json] = [{"path": f.path, "sha256": f.sha256} for f in bundle.files]
    value: dict[str, Json] = {
        "envoy": bundle.envoy_version,
        "files": files,
        "kind": bundle.kind.value,
        "resources": resource_entries,
        "root": bundle.sources.root,
        "seawall": bundle.seawall_version,
        "sources": source_entries,
    }
    optional: dict[str, Json] = {
        "feeds": [{"name": feed.name, **_seal(feed.content)} for feed in bundle.feeds],
        "rollout": _seal(rollout) if rollout else {},
        "switches": [_switch_entry(switch) for switch in bundle.switches],
    }
    written: dict[str, Json] = {key: entries for key, entries in optional.items() if entries}
    newer = bool(written) or bundle.kind not in _FIRST_KINDS
    return canonical.dumps({**value, **written, "format": FORMAT if newer else 1}), parts


def _files_digest(hashes: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _switch_entry(switch: Switch) -> Json:
    return {
        "actor": switch.actor,
        "feature": switch.feature.value,
        "reason": switch.reason,
        "site": switch.site,
        "until_s": float(switch.until_s),
    }


def _seal(part: bytes) -> dict[str, Json]:
    return {"sha256": hashlib.sha256(part).hexdigest(), "size": len(part)}


class _Reader:
    """Walks the parts in the order of the manifest."""

    def __init__(self, data: bytes, manifest: dict[str, Json]) -> None:
        self._data = data
        self._manifest = manifest
        self._offset = HEADER_SIZE_BYTES + manifest_size_bytes(data)

    def bundle(self) -> Bundle:
        top = self._fields(self._manifest)
        sources = SourceSet(
            top.text("root"),
            tuple(
                SourceFile(fields.text("path"), self._part(fields))
                for fields in self._entries(top, "sources", limits.SITE_INCLUDES_MAX + 1)
            ),
        )
        snapshot = self._snapshot(top)
        feeds = tuple(
            Pushed(ListName(fields.text("name")), self._part(fields))
            for fields in self._optional(top, "feeds", limits.PUSHED_FEEDS_MAX)
        )
        golden, policy = self._rollout(top)
        if self._offset != len(self._data):
            raise unreadable(_WHAT, "has data after its last part")
        files = tuple(
            FileDigest(fields.text("path"), _sha256(fields))
            for fields in self._entries(top, "files", limits.BUNDLE_PARTS_MAX)
        )
        return Bundle(
            kind=_kind(top.text("kind")),
            sources=sources,
            files=files,
            snapshot=snapshot,
            seawall_version=top.text("seawall"),
            envoy_version=top.text("envoy"),
            switches=tuple(
                _switch(fields) for fields in self._optional(top, "switches", limits.SWITCHES_MAX)
            ),
            feeds=feeds,
            golden=golden,
            policy=policy,
        )

    def _rollout(self, top: Fields) -> tuple[tuple[Golden, ...], RolloutPolicy | None]:
        if "rollout" not in self._manifest:
            return (), None
        return decode_part(self._part(self._fields(top.raw("rollout"))))

    def _optional(self, top: Fields, key: str, length_max: int) -> list[Fields]:
        return self._entries(top, key, length_max) if key in self._manifest else []

    def _snapshot(self, top: Fields) -> Snapshot:
        resources = [
            Resource(
                _type_url(fields.text("type")),
                fields.text("name"),
                self._part(fields),
                fields.text("owner"),
            )
            for fields in self._entries(top, "resources", limits.BUNDLE_PARTS_MAX)
        ]
        try:
            return Snapshot.of(resources)
        except InternalError as error:
            raise unreadable(_WHAT, "lists one resource twice") from error

    def _part(self, fields: Fields) -> bytes:
        end = self._offset + fields.whole("size", largest=limits.BUNDLE_SIZE_BYTES_MAX)
        if end > len(self._data):
            raise unreadable(_WHAT, "ends in the middle of a part")
        part = self._data[self._offset : end]
        self._offset = end
        if hashlib.sha256(part).hexdigest() != _sha256(fields):
            raise unreadable(_WHAT, "has a part that does not match its SHA-256")
        return part

    def _entries(self, top: Fields, key: str, length_max: int) -> list[Fields]:
        return [self._fields(entry) for entry in top.listing(key, length_max=length_max)]

    def _fields(self, value: Json) -> Fields:
        return Fields(value, _WHAT, text_length_chars_max=limits.BUNDLE_TEXT_LENGTH_CHARS_MAX)


def _switch(fields: Fields) -> Switch:
    text = fields.text("feature")
    if text not in set(Feature):
        raise unreadable(_WHAT, f"switches off something unknown: {text[:40]!r}")
    site = fields.optional_text("site")
    return Switch(
        feature=Feature(text),
        site=None if site is None else SiteName(site),
        until_s=fields.number("until_s"),
        reason=fields.text("reason"),
        actor=fields.text("actor"),
    )


def _cut_manifest(data: bytes) -> bytes:
    if not data.startswith(MAGIC) or len(data) < HEADER_SIZE_BYTES:
        raise unreadable(_WHAT, "does not begin like one")
    size_bytes = manifest_size_bytes(data)
    if size_bytes > limits.BUNDLE_MANIFEST_SIZE_BYTES_MAX:
        raise _oversized(size_bytes)
    manifest = data[HEADER_SIZE_BYTES : HEADER_SIZE_BYTES + size_bytes]
    if len(manifest) != size_bytes:
        raise unreadable(_WHAT, "ends in the middle of its manifest")
    return manifest


def _require_known_format(found: Json) -> None:
    known = isinstance(found, int) and not isinstance(found, bool)
    if known and found in range(1, FORMAT + 1):
        return
    if isinstance(found, int) and found > FORMAT:
        raise RefusedError(
            "release-format-newer",
            f"The release bundle has format {found}; this Seawall knows up to {FORMAT}.",
            remedy="A newer Seawall made it: update this one.",
        )
    raise unreadable(_WHAT, "names no known format")


def _sha256(fields: Fields) -> str:
    text = fields.text("sha256")
    if _SHA256_HEX.fullmatch(text) is None:
        raise unreadable(_WHAT, "lists something that is not a SHA-256")
    return text


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError as error:
        raise unreadable(_WHAT, f"is of unknown kind {text[:40]!r}") from error


def _type_url(text: str) -> TypeUrl:
    try:
        return TypeUrl(text)
    except ValueError as error:
        raise unreadable(_WHAT, f"contains a resource of unknown type {text[:100]!r}") from error


def _oversized(size_bytes: int) -> RefusedError:
    return RefusedError(
        "release-too-large",
        f"The release is too large: {size_bytes} bytes where a bundle of "
        f"{limits.BUNDLE_SIZE_BYTES_MAX} with a manifest of "
        f"{limits.BUNDLE_MANIFEST_SIZE_BYTES_MAX} is the most.",
        remedy="Split the configuration over several edges, or shorten its error pages.",
    )
