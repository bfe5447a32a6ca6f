"""The first stage: limits and schema of every part of a release, in Seawall's own words.

Envoy checks much of this again, later and per process; but it takes whatever it knows. Here only
what the compiler is known to write passes: message and extension types from a closed list, finite
numbers, names that stand once, and counts within `limits`. A part that a newer compiler or another
program made is refused by name. Equal parts are looked at once: `Parts` remembers what it has seen.
"""

import hashlib
import math
from collections.abc import Iterator
from typing import Any, Final

from envoy.config.route.v3.route_components_pb2 import VirtualHost
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from seawall import limits
from seawall.compiler.check import References, check
from seawall.compiler.contents import Contents
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.errors import RefusedError, SeawallError
from seawall.gate.features import FEATURES
from seawall.release.bundle import Bundle

_POOL: Final = descriptor_pool.Default()
_DEPTH_MAX: Final = 64
_FLOATS: Final = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})
_MESSAGE: Final = FieldDescriptor.CPPTYPE_MESSAGE
_ANY: Final = "google.protobuf.Any"
_SEEN_MAX: Final = 100_000


class Parts:
    """Looks at every part of a release; remembers the digests of those that were good."""

    def __init__(self) -> None:
        self._seen: dict[bytes, frozenset[str]] = {}
        self._references = References()

    def check(self, bundle: Bundle, held: Contents) -> list[str]:
        """The arithmetic of the stage.

        Args:
            bundle: the release.
            held: what its snapshot holds.

        Raises:
            RefusedError: a part is over a limit, or not one that Seawall writes.
            SeawallError: the snapshot is not consistent in itself.
        """
        snapshot = bundle.snapshot
        check(snapshot, self._references)
        lines = list(_counts(bundle, held))
        features = self.features(snapshot)
        if unknown := sorted(features - FEATURES.keys()):
            raise RefusedError(
                "gate-unknown-feature",
                f"The release uses {len(unknown)} Envoy feature(s) that this Seawall does not "
                f"write: {', '.join(_short(name) for name in unknown[:5])}.",
                remedy="A newer Seawall or another program made it: update this Seawall.",
            )
        lines.append(f"{len(features)} kinds of Envoy features, all known.")
        return lines

    def features(self, snapshot: Snapshot) -> frozenset[str]:
        """The types of every extension that a snapshot uses.

        Raises:
            RefusedError: a part holds a number that is none, or cannot be read.
        """
        found: set[str] = set()
        for resource in snapshot.resources:
            found |= self._of_part(resource)
        return frozenset(found)

    def _of_part(self, resource: Resource) -> frozenset[str]:
        """Of one resource; routes are taken apart by virtual host, most of which stay the same."""
        type_url, body = resource.type_url, resource.body
        key = _key(type_url.short, resource.sha256)
        known = self._seen.get(key)
        if known is not None:
            return known
        what = f"{type_url.short} {resource.name}"
        found: set[str] = set()
        if type_url is TypeUrl.ROUTES:
            try:
                body = resource.table.rest
            except ValueError:
                raise _bad(what, f"is not a {type_url.value.rpartition('/')[2]}") from None
            found.update(*map(self._of_host, resource.table.hosts))
        message = _parsed(_class(type_url.value), body, what)
        return self._remember(key, frozenset(found | set(_walk(message, what, 0))))

    def _of_host(self, body: bytes) -> frozenset[str]:
        key = _key("virtual host", hashlib.sha256(body).digest())
        known = self._seen.get(key)
        if known is not None:
            return known
        host = _parsed(VirtualHost, body, "virtual host")
        return self._remember(key, frozenset(_walk(host, f"virtual host {host.name}", 0)))

    def _remember(self, key: bytes, found: frozenset[str]) -> frozenset[str]:
        if len(self._seen) >= _SEEN_MAX:
            self._seen.clear()
        self._seen[key] = found
        return found


def _counts(bundle: Bundle, held: Contents) -> Iterator[str]:
    """Each count beside its bound.

    Raises:
        RefusedError: one is over.
    """
    size_bytes = sum(len(resource.body) for resource in bundle.snapshot.resources)
    for what, count, most in (
        ("sites", len(held.sites), limits.SITES_MAX),
        ("routes", len(held.routes), limits.ROUTES_MAX),
        ("origins", len(held.origins), limits.ORIGINS_MAX),
        ("endpoints", len(held.endpoints), limits.ORIGINS_MAX * limits.ENDPOINTS_PER_ORIGIN_MAX),
        ("listeners", len(held.listeners), 2 * limits.LISTENERS_MAX),
        ("golden requests", len(bundle.golden), limits.GOLDEN_MAX),
        ("resources", len(bundle.snapshot.resources), limits.BUNDLE_PARTS_MAX),
        ("bytes of configuration", size_bytes, limits.BUNDLE_SIZE_BYTES_MAX),
    ):
        if count > most:
            raise RefusedError(
                "gate-over-limit",
                f"The release has {count:,} {what}; at most {most:,} are allowed.",
                remedy="Split the configuration across several edges.",
            )
        yield f"{count:,} {what} of at most {most:,}."


def _walk(message: Any, what: str, depth: int) -> Iterator[str]:
    """The type URLs in `message`, at any depth.

    Raises:
        RefusedError: a number is not finite, or it is nested too deep.
    """
    if depth > _DEPTH_MAX:
        raise _bad(what, f"is nested deeper than {_DEPTH_MAX} levels")
    for field, value in message.ListFields():
        if field.cpp_type in _FLOATS:
            numbers = value if field.is_repeated else (value,)
            if not all(map(math.isfinite, numbers)):
                raise _bad(what, f"has a number in `{field.name}` that is not finite")
        elif field.cpp_type == _MESSAGE:
            for inner in _messages(field, value):
                if inner.DESCRIPTOR.full_name == _ANY:
                    yield inner.type_url
                    yield from _walk_any(inner, what, depth)
                else:
                    yield from _walk(inner, what, depth + 1)


def _walk_any(packed: Any, what: str, depth: int) -> Iterator[str]:
    if packed.type_url in FEATURES and (message_class := _class(packed.type_url)) is not None:
        yield from _walk(_parsed(message_class, packed.value, what), what, depth + 1)


def _messages(field: Any, value: Any) -> Iterator[Any]:
    if not field.is_repeated:
        yield value
    elif field.message_type.GetOptions().map_entry:
        of_value = field.message_type.fields_by_name["value"]
        if of_value.cpp_type == _MESSAGE:
            yield from value.values()
    else:
        yield from value


def _class(type_url: str) -> Any:
    """The class of a type; None for one that is newer than the generated messages here."""
    try:
        return GetMessageClass(_POOL.FindMessageTypeByName(type_url.rpartition("/")[2]))
    except KeyError:
        return None


def _parsed(message_class: Any, body: bytes, what: str) -> Any:
    try:
        return message_class.FromString(body)
    except DecodeError:
        raise _bad(what, f"is not a {message_class.DESCRIPTOR.full_name}") from None


def _bad(what: str, why: str) -> SeawallError:
    return RefusedError(
        "gate-bad-part",
        f"The {what} of the release {why}.",
        remedy="It is damaged, or another program made it.",
    )


def _key(kind: str, sha256: bytes) -> bytes:
    """Bytes are good as one kind of message only."""
    return kind.encode() + b"\0" + sha256


def _short(type_url: str) -> str:
    return type_url.rpartition("/")[2][:120]
