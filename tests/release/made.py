"""Releases made up for tests: no site file and no compiler is needed to try the formats."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.ids import Digest, ReleaseId
from seawall.release.bundle import Bundle, FileDigest, digest_of, encode
from seawall.release.release import Kind, ReleaseRecord
from seawall.release.signing import SigningKey
from seawall.release.store import Store
from seawall.site.sources import SourceFile, SourceSet

if TYPE_CHECKING:
    from postgres_server import PostgresServer

DATABASES = ("sqlite", "postgres")
PRIVATE_KEY_MARK = b"-----BEGIN PRIVATE KEY----- not for any log"


def every_database(request: pytest.FixtureRequest, path: Path) -> Path | str:
    """For a fixture `where` with the parameters `DATABASES`: a new store in each of them."""
    if request.param == "sqlite":
        return path
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create()


def key(seed: int = 1) -> SigningKey:
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def bundle(text: str = "version: 1\n", *, padding: bytes = b"") -> Bundle:
    return Bundle(
        kind=Kind.SITE,
        sources=SourceSet(
            "/srv/seawall.yaml",
            (
                SourceFile("/srv/seawall.yaml", text.encode()),
                SourceFile("/srv/sites/shop.yaml", b"sites: {}\n"),
            ),
        ),
        files=(FileDigest("/srv/certs/shop.pem", "ab" * 32),),
        snapshot=snapshot(padding=padding),
        seawall_version="0.1.0",
        envoy_version="1.40.0",
    )


def snapshot(extra: Iterable[Resource] = (), *, padding: bytes = b"") -> Snapshot:
    return Snapshot.of(
        (
            Resource(TypeUrl.CLUSTER, "shop", b"\x0a\x04shop" + padding, "origin shop"),
            Resource(TypeUrl.SECRET, "shop", PRIVATE_KEY_MARK, "certificate shop"),
            Resource(TypeUrl.LISTENER, "http", b"\x0a\x04http", "listener http 0.0.0.0:80"),
            *extra,
        )
    )


def record(content: Bundle, number: int = 1, *, signer: SigningKey | None = None) -> ReleaseRecord:
    unsigned = ReleaseRecord(
        id=ReleaseId(f"r{number}"),
        digest=Digest(digest_of(encode(content))),
        kind=content.kind,
        parent=ReleaseId(f"r{number - 1}") if number > 1 else None,
        author="ada",
        message="Prüfe die Kasse",
        created_s=1_700_000_000.25,
        signature=b"",
    )
    return (signer or key()).sign(unsigned)


def add(
    store: Store, text: str = "version: 1\n", *, parent: str | None = None, padding: bytes = b""
) -> ReleaseRecord:
    return store.add(
        bundle(text, padding=padding),
        signer=key(),
        author="ada",
        message="",
        parent=ReleaseId(parent) if parent else None,
    )


def released(store: Store, count: int = 2) -> list[ReleaseRecord]:
    """Releases one after another, the oldest first."""
    records: list[ReleaseRecord] = []
    for number in range(count):
        parent = records[-1].id if records else None
        records.append(add(store, f"version: 1\n# {number}\n", parent=parent))
    return records
