"""Signatures of releases: Ed25519 over every field of a record, and the files that hold the keys.

The record names the bundle's digest, so one signature covers the content, its author, message,
time, parent and id. The mark of quarantine is not signed: it is a note of the store that may come
later. The private key never leaves its file and this module, and is not printed by anything here.
RFC 8032 (Ed25519), RFC 8410 (its PKCS #8 and SubjectPublicKeyInfo forms).
"""

import hashlib
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from seawall import limits
from seawall.errors import RefusedError, UnreachableError
from seawall.ids import Digest, ReleaseId
from seawall.release import canonical
from seawall.release.canonical import Fields, unreadable
from seawall.release.release import Kind, ReleaseRecord

SIGNATURE_SIZE_BYTES: Final = 64
_DOMAIN: Final = b"seawall release record 1\n"
_KEY_FILE_SIZE_BYTES_MAX: Final = 4096
_RECORD: Final = "the record of the release"


class PublicKey:
    """Verifies records; safe to print."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    @property
    def raw(self) -> bytes:
        """The 32 bytes of the key."""
        return self._key.public_bytes_raw()

    @property
    def key_id(self) -> str:
        """First 16 hex digits of the SHA-256 of `raw`: names the key in messages and records."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def pem(self) -> bytes:
        """PEM, as kept in `signing.pub` and `trusted.pub`."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verify(self, record: ReleaseRecord) -> None:
        """Check the signature of `record`.

        Raises:
            RefusedError: it was not made by this key over exactly these fields.
        """
        try:
            self._key.verify(record.signature, signed_bytes(record))
        except InvalidSignature as error:
            raise RefusedError(
                "release-signature-wrong",
                f"Release {record.id[:40]} is not signed by the trusted key {self.key_id}.",
                remedy="Do not use it. If you replaced the signing key on purpose, pin the new "
                "public key on this node.",
            ) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"PublicKey({self.key_id})"


class SigningKey:
    """Signs records. Prints its key id only."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this one signs."""
        return PublicKey(self._key.public_key())

    def sign(self, record: ReleaseRecord) -> ReleaseRecord:
        """`record` with its signature set."""
        return replace(record, signature=self._key.sign(signed_bytes(record)))

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id})"


def signed_bytes(record: ReleaseRecord) -> bytes:
    """What the signature covers: a domain line, then `record_text`."""
    return _DOMAIN + record_text(record)


def record_text(record: ReleaseRecord) -> bytes:
    """Canonical JSON of every signed field: all that never changes, but the signature."""
    return canonical.dumps(
        {
            "author": record.author,
            "created_s": float(record.created_s),
            "digest": record.digest,
            "id": record.id,
            "kind": record.kind.value,
            "message": record.message,
            "parent": record.parent,
        }
    )


def parse_record(text: bytes, signature: bytes) -> ReleaseRecord:
    """The record that `record_text` wrote; the signature is attached, not yet verified.

    Raises:
        RefusedError: `text` is not exactly what `record_text` writes.
    """
    if len(text) > limits.RELEASE_RECORD_SIZE_BYTES_MAX:
        raise unreadable(_RECORD, "is too large")
    fields = Fields(
        canonical.loads(text, _RECORD),
        _RECORD,
        text_length_chars_max=limits.RELEASE_RECORD_SIZE_BYTES_MAX,
    )
    parent = fields.optional_text("parent")
    try:
        kind = Kind(fields.text("kind"))
    except ValueError as error:
        raise unreadable(_RECORD, "is of an unknown kind") from error
    record = ReleaseRecord(
        id=ReleaseId(fields.text("id")),
        digest=Digest(fields.text("digest")),
        kind=kind,
        parent=None if parent is None else ReleaseId(parent),
        author=fields.text("author"),
        message=fields.text("message"),
        created_s=fields.number("created_s"),
        signature=signature,
    )
    if record_text(record) != text:
        raise unreadable(_RECORD, "is not in its canonical form")
    return record


def load_or_create_key(private: Path, public: Path) -> SigningKey:
    """The signing key in `private`, made on first use; `public` always holds its public half.

    Both are written whole or not at all; `private` has mode 0600. Two processes that start
    together end with one key.

    Raises:
        RefusedError: the file holds no Ed25519 key, or others may read it.
        UnreachableError: it cannot be read or written.
    """
    if not private.exists():
        _create(private, _new_private_pem())
    key = _read_private(private)
    if not public.exists() or _read(public) != key.public.pem:
        _replace(public, key.public.pem)
    return key


def load_public_key(path: Path) -> PublicKey:
    """The public key in a PEM file.

    Raises:
        RefusedError: the file holds no Ed25519 public key.
        UnreachableError: it cannot be read.
    """
    try:
        key = serialization.load_pem_public_key(_read(path))
    except ValueError as error:
        raise _no_key(path) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path)
    return PublicKey(key)


def pin_public_key(trusted: Path, offered: PublicKey) -> PublicKey:
    """Trust `offered` on first use and only it from then on; for the node.

    Raises:
        RefusedError: `trusted` already names another key.
        UnreachableError: it cannot be read or written.
    """
    if not trusted.exists():
        _create(trusted, offered.pem)
    pinned = load_public_key(trusted)
    if pinned != offered:
        raise RefusedError(
            "signing-key-changed",
            f"The control process signs with key {offered.key_id}, but this node trusts "
            f"{pinned.key_id} ({trusted}).",
            remedy="If you replaced the key on purpose, remove that file and restart the node.",
        )
    return pinned


def _new_private_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read_private(path: Path) -> SigningKey:
    content = _read(path)
    if path.stat().st_mode & 0o077:
        raise RefusedError(
            "signing-key-exposed",
            f"Others may read the signing key {path}.",
            remedy=f"Make it private: chmod 600 {path}. If somebody else may have read it, remove "
            "it instead: Seawall makes a new one.",
        )
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise _no_key(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path)
    return SigningKey(key)


def _no_key(path: Path) -> RefusedError:
    return RefusedError(
        "signing-key-unreadable",
        f"{path} does not contain an Ed25519 key in PEM form.",
        remedy="Restore it from a backup, or remove it to start with a new key; nodes must then "
        "trust the new one.",
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_KEY_FILE_SIZE_BYTES_MAX)
    except OSError as error:
        raise _unreachable(path, error) from error


def _create(path: Path, content: bytes) -> None:
    """Write `path` unless it exists: the first of several writers wins, nobody sees a half."""
    try:
        temporary = _temporary(path, content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    except OSError as error:
        raise _unreachable(path, error) from error


def _replace(path: Path, content: bytes) -> None:
    try:
        _temporary(path, content).replace(path)
    except OSError as error:
        raise _unreachable(path, error) from error


def _temporary(path: Path, content: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)  # each start on a full disk would leave one
        raise
    return temporary


def _unreachable(path: Path, error: OSError) -> UnreachableError:
    return UnreachableError(
        "key-file-unreachable",
        f"Cannot use the key file {path}: {error.strerror}.",
        remedy="Check that the directory exists, is writable, and that the disk is not full.",
    )
