"""Signatures and envelopes: only what the trusted key signed, byte for byte, is opened."""

import errno
import hashlib
import os
import stat
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from release import made
from seawall import limits
from seawall.errors import InternalError, RefusedError, UnreachableError
from seawall.ids import Digest, ReleaseId
from seawall.release.bundle import encode, files_digest_of
from seawall.release.envelope import compress, head, open_envelope, seal
from seawall.release.release import Kind
from seawall.release.signing import (
    load_or_create_key,
    load_public_key,
    parse_record,
    pin_public_key,
    record_text,
)

BUNDLE = made.bundle()
RECORD = made.record(BUNDLE)
SEALED = seal(RECORD, encode(BUNDLE))
PUBLIC = made.key().public


def _resealed(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def test_a_sealed_release_opens_to_the_same() -> None:
    assert open_envelope(SEALED, PUBLIC) == (RECORD, BUNDLE)


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
@settings(max_examples=1000)
def test_any_single_changed_byte_is_refused(index: int, flip: int) -> None:
    changed = bytearray(SEALED)
    changed[index] ^= flip
    with pytest.raises(RefusedError):
        open_envelope(bytes(changed), PUBLIC)


@given(st.integers(10, len(SEALED) - 33), st.integers(1, 255))
@settings(max_examples=1000)
def test_a_changed_byte_under_a_fresh_checksum_never_gives_another_release(
    index: int, flip: int
) -> None:
    changed = bytearray(SEALED[:-32])
    changed[index] ^= flip
    try:
        opened = open_envelope(_resealed(bytes(changed)), PUBLIC)
    except RefusedError:
        return
    assert opened == (RECORD, BUNDLE)


def test_every_truncation_is_refused() -> None:
    for length in range(len(SEALED)):
        with pytest.raises(RefusedError):
            open_envelope(SEALED[:length], PUBLIC)
        if length != len(SEALED) - 32:
            with pytest.raises(RefusedError):
                open_envelope(_resealed(SEALED[:length]), PUBLIC)


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    for data in (noise, _resealed(noise), _resealed(b"SEAWENVL\0\1" + noise)):
        with pytest.raises(RefusedError):
            open_envelope(data, PUBLIC)


def test_a_newer_format_is_refused_as_newer() -> None:
    newer = _resealed(SEALED[:8] + b"\0\2" + SEALED[10:-32])
    with pytest.raises(RefusedError, match="format 2; this Seawall knows up to 1"):
        open_envelope(newer, PUBLIC)


@pytest.mark.parametrize(
    "changed",
    [
        replace(RECORD, id=ReleaseId("r2")),
        replace(RECORD, digest=Digest("0" * 64)),
        replace(RECORD, kind=Kind.CERTIFICATES),
        replace(RECORD, parent=ReleaseId("r0")),
        replace(RECORD, author="eve"),
        replace(RECORD, message="nothing to see"),
        replace(RECORD, created_s=RECORD.created_s + 1),
        replace(RECORD, signature=bytes(64)),
    ],
    ids=["id", "digest", "kind", "parent", "author", "message", "created_s", "signature"],
)
def test_the_signature_covers_every_field(changed: object) -> None:
    with pytest.raises(RefusedError, match="not signed by the trusted key"):
        PUBLIC.verify(changed)  # type: ignore[arg-type] - `replace` in a list loses the type


def test_the_mark_of_quarantine_may_come_later() -> None:
    PUBLIC.verify(replace(RECORD, quarantined="Envoy refused it"))


def test_another_key_is_refused() -> None:
    with pytest.raises(RefusedError, match=made.key(2).public.key_id):
        open_envelope(SEALED, made.key(2).public)


def test_a_record_with_another_bundle_is_refused() -> None:
    with pytest.raises(RefusedError, match="another bundle than its record names"):
        open_envelope(seal(RECORD, encode(made.bundle("version: 1 #\n"))), PUBLIC)


def test_a_record_of_another_kind_than_its_bundle_is_refused() -> None:
    record = made.key().sign(replace(RECORD, kind=Kind.CERTIFICATES))
    with pytest.raises(RefusedError, match="another kind"):
        open_envelope(seal(record, encode(BUNDLE)), PUBLIC)


def test_an_unsigned_record_is_not_sealed() -> None:
    with pytest.raises(InternalError):
        seal(replace(RECORD, signature=b""), encode(BUNDLE))


def test_a_decompression_bomb_stops_at_its_announced_size() -> None:
    head = SEALED[: -32 - len(compress(encode(BUNDLE))) - 4]
    bomb = zlib.compress(bytes(256 * limits.MIB), 9)
    tracemalloc.start()
    try:
        for announced in (1000, limits.MIB, 2**32 - 1):
            with pytest.raises(RefusedError, match=r"another size than announced|announces"):
                open_envelope(_resealed(head + announced.to_bytes(4, "big") + bomb), PUBLIC)
        assert tracemalloc.get_traced_memory()[1] < 8 * limits.MIB
    finally:
        tracemalloc.stop()


def test_the_beginning_of_a_bundle_is_read_alone_and_damage_is_told() -> None:
    compressed = compress(encode(made.bundle(padding=bytes(limits.MIB))))
    assert len(head(compressed)) < limits.KIB * 4
    assert files_digest_of(head(compressed)) == files_digest_of(encode(BUNDLE))
    changed = encode(made.bundle("version: 1 # another\n"))
    assert files_digest_of(changed) != files_digest_of(encode(BUNDLE))
    bomb = compress(encode(BUNDLE)[:8] + bytes([255] * 4) + bytes(256 * limits.MIB))
    for damaged in (b"", b"nothing", compressed[:30], compress(b""), bomb):
        with pytest.raises(RefusedError):
            files_digest_of(head(damaged))


def test_an_oversized_envelope_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ENVELOPE_SIZE_BYTES_MAX", len(SEALED) - 1)
    with pytest.raises(RefusedError, match="bytes long"):
        open_envelope(SEALED, PUBLIC)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        record_text(RECORD) + b" ",
        record_text(RECORD).replace(b"1700000000.25", b"1e999"),
        record_text(RECORD).replace(b'"site"', b'"bots"'),
        record_text(RECORD).replace(b'"author":"ada",', b""),
        record_text(RECORD).replace(b'"ada"', b'["ada"]'),
        record_text(RECORD)[:-1] + b',"x":1}',
        b'{"author":"' + b"a" * limits.RELEASE_RECORD_SIZE_BYTES_MAX + b'"}',
    ],
)
def test_a_record_that_was_not_written_by_us_is_refused(text: bytes) -> None:
    with pytest.raises(RefusedError):
        parse_record(text, bytes(64))


@given(st.text(max_size=40), st.text(max_size=100), st.floats(allow_nan=False, width=64))
def test_a_record_reads_back_as_it_was_written(author: str, message: str, at: float) -> None:
    if at in {float("inf"), float("-inf")}:
        return
    record = replace(RECORD, author=author, message=message, created_s=at)
    assert parse_record(record_text(record), record.signature) == record


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    private, public = tmp_path / "control" / "signing.key", tmp_path / "control" / "signing.pub"
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: load_or_create_key(private, public), range(8)))
    assert len({key.public.key_id for key in keys}) == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    assert load_public_key(public) == keys[0].public
    assert {path.name for path in private.parent.iterdir()} == {"signing.key", "signing.pub"}
    assert "PRIVATE" not in repr(keys[0])


def test_a_lost_public_half_is_written_again(tmp_path: Path) -> None:
    private, public = tmp_path / "signing.key", tmp_path / "signing.pub"
    key = load_or_create_key(private, public)
    public.write_bytes(b"")
    assert load_or_create_key(private, public).public == key.public
    assert load_public_key(public) == key.public


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    private, public = tmp_path / "signing.key", tmp_path / "signing.pub"
    load_or_create_key(private, public)
    private.chmod(0o640)
    with pytest.raises(RefusedError, match="Others may read") as caught:
        load_or_create_key(private, public)
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\n"])
def test_a_damaged_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    private = tmp_path / "signing.key"
    private.touch(0o600)
    private.write_bytes(content)
    with pytest.raises(RefusedError, match="does not contain an Ed25519 key"):
        load_or_create_key(private, tmp_path / "signing.pub")
    assert private.read_bytes() == content


def test_a_key_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "signing.key", tmp_path / "signing.pub"
    private.touch(0o600)
    private.write_bytes(
        other.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        other.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    with pytest.raises(RefusedError, match="does not contain an Ed25519 key"):
        load_or_create_key(private, public)
    with pytest.raises(RefusedError, match="does not contain an Ed25519 key"):
        load_public_key(public)


def test_a_key_file_out_of_reach_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="missing"):
        load_public_key(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(UnreachableError):
        load_or_create_key(tmp_path / "file" / "signing.key", tmp_path / "file" / "signing.pub")


def test_a_key_that_the_disk_does_not_take_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnreachableError, match="No space left"):
        load_or_create_key(tmp_path / "signing.key", tmp_path / "signing.pub")
    assert not [*tmp_path.iterdir()]


def test_a_node_trusts_the_first_key_and_no_other(tmp_path: Path) -> None:
    trusted = tmp_path / "node" / "trusted.pub"
    assert pin_public_key(trusted, PUBLIC) == PUBLIC
    assert pin_public_key(trusted, PUBLIC) == PUBLIC
    with pytest.raises(RefusedError, match="this node trusts"):
        pin_public_key(trusted, made.key(2).public)
    assert load_public_key(trusted) == PUBLIC
