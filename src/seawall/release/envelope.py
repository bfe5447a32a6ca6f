"""The envelope: one signed release as a node fetches it and keeps it on its disk.

It joins the record, its signature and the compressed bundle. Opening one trusts nothing in it:
size, checksum, signature, the decompressed size, and that the bundle is the one the record names
are all checked, in this order, so that no byte is decompressed for a signature that is wrong.
The checksum at the end finds a damaged byte even where compression would hide it.
"""

import hashlib
import zlib
from typing import Final

from seawall import limits
from seawall.errors import RefusedError, invariant
from seawall.release.bundle import (
    HEADER_SIZE_BYTES,
    Bundle,
    decode,
    digest_of,
    manifest_size_bytes,
)
from seawall.release.canonical import unreadable
from seawall.release.release import ReleaseRecord
from seawall.release.signing import SIGNATURE_SIZE_BYTES, PublicKey, parse_record, record_text

FORMAT: Final = 1
"""Of the envelope. A change here needs a new folder in tests/golden/history."""
MAGIC: Final = b"SEAWENVL"
_CHECKSUM_SIZE_BYTES: Final = 32
_WHAT: Final = "the release envelope"
_COMPRESSION_LEVEL: Final = 3
"""Half the time of the usual level, for a tenth more bytes: a release waits for it. Any is read."""


def seal(record: ReleaseRecord, bundle_bytes: bytes) -> bytes:
    """The envelope of a signed record and its encoded bundle."""
    return seal_compressed(record, compress(bundle_bytes), len(bundle_bytes))


def seal_compressed(record: ReleaseRecord, compressed: bytes, bundle_size_bytes: int) -> bytes:
    """As `seal`, for a bundle that `compress` has compressed before."""
    invariant(len(record.signature) == SIGNATURE_SIZE_BYTES, "an unsigned record is not sealed")
    text = record_text(record)
    content = b"".join(
        (
            MAGIC,
            FORMAT.to_bytes(2, "big"),
            len(text).to_bytes(4, "big"),
            text,
            record.signature,
            bundle_size_bytes.to_bytes(4, "big"),
            compressed,
        )
    )
    return content + hashlib.sha256(content).digest()


def open_envelope(data: bytes, public_key: PublicKey) -> tuple[ReleaseRecord, Bundle]:
    """The release in `data`, fully checked.

    Raises:
        RefusedError: damaged, oversized, of another format, signed by another key, or holding a
            bundle that is not the one its record names.
    """
    record, bundle_bytes = open_bytes(data, public_key)
    bundle = decode(bundle_bytes)
    if bundle.kind is not record.kind:
        raise unreadable(_WHAT, "has a record of another kind than its bundle")
    return record, bundle


def open_bytes(data: bytes, public_key: PublicKey) -> tuple[ReleaseRecord, bytes]:
    """As `open_envelope`, but the bundle stays encoded; its digest is checked, its parts are not.

    Raises:
        RefusedError: as `open_envelope`.
    """
    if len(data) > limits.ENVELOPE_SIZE_BYTES_MAX:
        raise unreadable(_WHAT, f"is over {limits.ENVELOPE_SIZE_BYTES_MAX} bytes long")
    content = _checked_content(data)
    cursor = _Cursor(content)
    cursor.take(len(MAGIC) + 2)
    text = cursor.take(cursor.number())
    record = parse_record(text, cursor.take(SIGNATURE_SIZE_BYTES))
    public_key.verify(record)
    bundle_size_bytes = cursor.number()
    bundle_bytes = decompress(cursor.rest(), bundle_size_bytes)
    if digest_of(bundle_bytes) != record.digest:
        raise unreadable(_WHAT, "contains another bundle than its record names")
    return record, bundle_bytes


def compress(bundle_bytes: bytes) -> bytes:
    """How bundles are compressed at rest and on the wire (zlib, RFC 1950)."""
    return zlib.compress(bundle_bytes, _COMPRESSION_LEVEL)


def decompress(compressed: bytes, size_bytes: int) -> bytes:
    """Undo `compress` without ever making more than `size_bytes` bytes.

    Raises:
        RefusedError: not exactly one zlib stream of exactly that size, or over the bound.
    """
    if size_bytes > limits.BUNDLE_SIZE_BYTES_MAX:
        raise unreadable(_WHAT, f"announces a bundle of {size_bytes} bytes")
    stream = zlib.decompressobj()
    try:
        # One byte of room more than announced: a longer stream shows itself and stops there.
        content = stream.decompress(compressed, size_bytes + 1)
    except zlib.error as error:
        raise unreadable(_WHAT, "has a damaged compressed part") from error
    if len(content) != size_bytes or not stream.eof or stream.unused_data:
        raise unreadable(_WHAT, "contains a bundle of another size than announced")
    return content


def head(compressed: bytes) -> bytes:
    """The beginning of a bundle, with its whole manifest, without undoing the rest.

    Raises:
        RefusedError: it is not compressed like one.
    """
    stream = zlib.decompressobj()
    try:
        start = stream.decompress(compressed, HEADER_SIZE_BYTES)
        size_bytes = min(manifest_size_bytes(start), limits.BUNDLE_MANIFEST_SIZE_BYTES_MAX)
        rest = stream.decompress(stream.unconsumed_tail, size_bytes) if size_bytes else b""
    except zlib.error as error:
        raise unreadable(_WHAT, "has a damaged compressed part") from error
    return start + rest


def _checked_content(data: bytes) -> bytes:
    if not data.startswith(MAGIC):
        raise unreadable(_WHAT, "does not begin like one")
    found = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 2])
    content, checksum = data[:-_CHECKSUM_SIZE_BYTES], data[-_CHECKSUM_SIZE_BYTES:]
    if hashlib.sha256(content).digest() != checksum:
        raise unreadable(_WHAT, "is truncated or damaged (its checksum does not match)")
    if found != FORMAT:
        raise RefusedError(
            "release-format-newer",
            f"The release envelope has format {found}; this Seawall knows up to {FORMAT}.",
            remedy="A newer Seawall made it: update this one.",
        )
    return content


class _Cursor:
    """Reads forward through checked bytes; running over the end is a refusal."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def take(self, size_bytes: int) -> bytes:
        end = self._offset + size_bytes
        if end > len(self._data):
            raise unreadable(_WHAT, "ends too early")
        taken = self._data[self._offset : end]
        self._offset = end
        return taken

    def number(self) -> int:
        return int.from_bytes(self.take(4))

    def rest(self) -> bytes:
        return self._data[self._offset :]
