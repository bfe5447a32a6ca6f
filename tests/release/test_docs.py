"""docs/releases.md describes what the code does: the tables are read and compared."""

import hashlib
import json
import re
import zlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from release import made
from release.history import CURRENT, HISTORY
from seawall import limits
from seawall.release.bundle import encode
from seawall.release.envelope import seal
from seawall.release.guard import DEFAULT_BOUNDS

PAGE = (Path(__file__).parents[2] / "docs" / "releases.md").read_text()


def _table(first_cell: str) -> list[list[str]]:
    lines = PAGE[PAGE.index(f"| {first_cell} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_bounds_in_the_page_are_the_bounds_in_the_code() -> None:
    written = {row[0]: row[1:] for row in _table("kind")}
    assert written == {
        kind: [
            f"{bounds.removed_share_max:.0%}".replace("%", " %"),
            f"{bounds.changed_share_max:.0%}".replace("%", " %"),
            str(bounds.population_min),
        ]
        for kind, bounds in DEFAULT_BOUNDS.items()
    }


def test_the_numbers_in_the_page_are_the_limits() -> None:
    assert f"At most {limits.RELEASES_RETAINED_MAX} releases" in PAGE
    assert f"{limits.RELEASES_SIZE_BYTES_MAX // limits.GIB} GiB of compressed bundles" in PAGE
    assert f"newest {limits.AUDIT_ENTRIES_MAX:,} entries" in PAGE
    assert f"(up to {limits.KNOWN_GOOD_PER_NODE_MAX} for each node)" in PAGE


def test_every_code_in_the_page_is_raised_somewhere() -> None:
    source = "".join(
        path.read_text()
        for package in ("release", "api")
        for path in Path(made.__file__).parents[2].glob(f"src/seawall/{package}/*.py")
    )
    for row in _table("what you see"):
        assert f'"{row[0].strip("`")}"' in source, row[0]


def test_an_envelope_can_be_read_by_the_page_alone() -> None:
    data = (HISTORY / CURRENT / "newest.envelope").read_bytes()
    _read_by_the_page(data, made.key().public.raw)


def test_a_fresh_envelope_can_be_read_by_the_page_alone() -> None:
    bundle = made.bundle()
    _read_by_the_page(seal(made.record(bundle), encode(bundle)), made.key().public.raw)


def _read_by_the_page(data: bytes, public_key: bytes) -> None:
    """A second reader that shares no code with the first."""
    assert data[0:8] == b"SEAWENVL"
    assert int.from_bytes(data[8:10]) == 1
    n = int.from_bytes(data[10:14])
    record = data[14 : 14 + n]
    signature = data[14 + n : 78 + n]
    Ed25519PublicKey.from_public_bytes(public_key).verify(
        signature, b"seawall release record 1\n" + record
    )
    bundle = zlib.decompress(data[82 + n : -32])
    assert len(bundle) == int.from_bytes(data[78 + n : 82 + n])
    assert hashlib.sha256(data[:-32]).digest() == data[-32:]
    assert set(json.loads(record)) == {row[0].strip("`") for row in _table_after("## The record")}

    assert bundle[0:8] == b"SEAWBNDL"
    n = int.from_bytes(bundle[8:12])
    manifest = json.loads(bundle[12 : 12 + n])
    assert hashlib.sha256(bundle[12 : 12 + n]).hexdigest() == json.loads(record)["digest"]
    keys = {row[0].strip("`") for row in _table_after("The manifest is one")}
    optional = {"feeds", "rollout", "switches"}
    assert keys - optional <= set(manifest) <= keys
    assert manifest["format"] == (2 if optional & set(manifest) else 1)
    offset = 12 + n
    parts = [*manifest["sources"], *manifest["resources"], *manifest.get("feeds", [])]
    for entry in (*parts, *([manifest["rollout"]] if "rollout" in manifest else [])):
        part = bundle[offset : offset + entry["size"]]
        assert hashlib.sha256(part).hexdigest() == entry["sha256"]
        offset += entry["size"]
    assert offset == len(bundle)
    order = [(entry["type"], entry["name"]) for entry in manifest["resources"]]
    assert order == sorted(order)


def _table_after(heading: str) -> list[list[str]]:
    rest = PAGE[PAGE.index(heading) :]
    table = re.search(r"\| key \|.*?\n\n", rest, re.DOTALL)
    assert table
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.group().strip().splitlines()[2:]
    ]
