"""Hostile content in any part of a release: refused with a message, and no process ends of it.

bunny.net, 2021: a generated file with a valid checksum overflowed the stack of its decoder, in a
crash loop, everywhere. Here every decoder meets the same kinds of content, sealed with true sums.
"""

import asyncio
import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gate import made
from release import made as released
from seawall import limits
from seawall.api.workshop import Workshop
from seawall.clock import SystemClock
from seawall.compiler.contents import contents
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.errors import SeawallError
from seawall.gate.parts import Parts
from seawall.gate.report import GateReport, from_json
from seawall.release.bundle import MAGIC, Bundle, decode, encode
from seawall.release.envelope import decompress
from seawall.release.rollout_part import decode_part

DEEP = 100_000
HUGE = 2**31


def sealed(manifest: bytes, parts: bytes = b"") -> bytes:
    return MAGIC + len(manifest).to_bytes(4, "big") + manifest + parts


def _claims(**changes: Any) -> bytes:
    """A manifest that is true but for what is changed."""
    encoded = encode(released.bundle())
    length = int.from_bytes(encoded[8:12])
    value = json.loads(encoded[12 : 12 + length]) | changes
    text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return sealed(text, encoded[12 + length :])


def _part(size: int) -> dict[str, Any]:
    return {"path": "/a", "size": size, "sha256": hashlib.sha256(b"").hexdigest()}


MANIFESTS: dict[str, Callable[[], bytes]] = {
    "nested lists": lambda: sealed(b"[" * DEEP + b"]" * DEEP),
    "nested objects": lambda: sealed(b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "nested in a field": lambda: sealed(b'{"format":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    "a number of a million digits": lambda: sealed(b'{"format":' + b"9" * 1_000_000 + b"}"),
    "a length of 2 GiB": lambda: MAGIC + HUGE.to_bytes(4, "big") + b"{}",
    "a part of 2 GiB": lambda: _claims(sources=[_part(HUGE)]),
    "a part of -1 bytes": lambda: _claims(sources=[_part(-1)]),
    "a part of infinite size": lambda: _claims(sources=[{**_part(0), "size": 1e999}]),
    "more parts than there may be": lambda: _claims(
        files=[{"path": str(n), "sha256": "0" * 64} for n in range(limits.BUNDLE_PARTS_MAX + 1)]
    ),
    "one key a hundred thousand times": lambda: sealed(
        b"{" + b",".join(b'"k":%d' % n for n in range(DEEP)) + b"}"
    ),
    "a hundred thousand keys": lambda: sealed(
        json.dumps({f"k{n}": n for n in range(DEEP)}).encode()
    ),
    "nested rollout": lambda: (
        _claims(format=2, rollout={"sha256": hashlib.sha256(b"[" * DEEP).hexdigest(), "size": DEEP})
        + b"[" * DEEP
    ),
}


@pytest.mark.parametrize("bomb", MANIFESTS)
def test_a_bomb_in_the_manifest_is_refused(bomb: str) -> None:
    with pytest.raises(SeawallError) as caught:
        decode(MANIFESTS[bomb]())
    assert caught.value.message


@pytest.mark.parametrize("text", [b"[" * DEEP, b'{"golden":' + b"[" * DEEP, b"9" * 1_000_000])
def test_a_bomb_in_the_rollout_part_is_refused(text: bytes) -> None:
    with pytest.raises(SeawallError):
        decode_part(text)


def test_a_zip_bomb_is_never_unpacked_beyond_what_it_announced() -> None:
    bomb = zlib.compress(bytes(200 * limits.MIB), 9)
    for announced in (0, 1_000, limits.BUNDLE_SIZE_BYTES_MAX, HUGE):
        with pytest.raises(SeawallError):
            decompress(bomb, announced)


def _nested() -> bytes:
    """A message in a message in a message: field 1, two thousand deep."""
    body = b""
    for _ in range(2_000):
        length = len(body)
        size = bytearray()
        while True:
            size.append(length & 0x7F | (0x80 if length > 0x7F else 0))
            length >>= 7
            if not length:
                break
        body = b"\x0a" + bytes(size) + body
    return body


_LONG = b"\x0a" + b"\xff\xff\xff\xff\x07"  # field 1, 2 GiB long
BODIES = {
    "nested": _nested(),
    "a length of 2 GiB": _LONG,
    "a length of 2 GiB inside": b"\x12" + bytes([len(_LONG)]) + _LONG,
    "groups": b"\x0b" * 10_000,
    "noise": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("type_url", [t for t in TypeUrl if made.snapshot().of_type(t)], ids=str)
def test_a_bomb_in_a_resource_is_refused(type_url: TypeUrl, body: str) -> None:
    whole = made.snapshot()
    first = whole.of_type(type_url)[0]
    bad = Resource(type_url, first.name, BODIES[body], first.owner)
    spoilt = Snapshot.of(bad if each is first else each for each in whole.resources)
    content = replace(released.bundle(), snapshot=spoilt)
    assert decode(encode(content)) == content  # bodies are carried as they are
    with pytest.raises(SeawallError) as caught:
        Parts().check(content, contents(whole))
    assert caught.value.message


@pytest.mark.parametrize("text", ["[" * DEEP, '{"stages":' + "[" * DEEP, "9" * 1_000_000])
def test_a_bomb_in_a_stored_gate_report_is_an_empty_report(text: str) -> None:
    assert from_json(text) == GateReport()


def test_the_workbench_lives_through_every_bomb(tmp_path: Path) -> None:
    good: Bundle = replace(released.bundle(), snapshot=made.snapshot())

    async def run() -> None:
        lost: list[str] = []
        workshop = Workshop(tmp_path, SystemClock(), log=lambda what, _: lost.append(what))
        try:
            await workshop.changes(None, encode(good))
            first = workshop.pid
            for bomb in MANIFESTS.values():
                with pytest.raises(SeawallError) as caught:
                    await workshop.changes(None, bomb())
                assert caught.value.code != "internal", caught.value.detail
            assert (await workshop.changes(None, encode(good))).shown
            assert workshop.pid == first
            assert lost == []
        finally:
            await workshop.close()

    asyncio.run(run())
