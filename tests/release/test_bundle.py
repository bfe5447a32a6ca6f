"""The bundle format: one content, one run of bytes, and nothing else is taken."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release import made
from seawall import limits
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.errors import RefusedError
from seawall.ids import ListName, SiteName
from seawall.model import Feature, Switch
from seawall.release import canonical
from seawall.release.bundle import MAGIC, Bundle, FileDigest, decode, digest_of, encode
from seawall.release.release import Kind
from seawall.site.sources import Pushed, SourceFile, SourceSet

NAMES = st.text(max_size=20)
RESOURCES = st.builds(Resource, st.sampled_from(TypeUrl), NAMES, st.binary(max_size=60), NAMES)
BUNDLES = st.builds(
    Bundle,
    kind=st.sampled_from(Kind),
    sources=st.builds(
        SourceSet,
        NAMES,
        st.lists(st.builds(SourceFile, NAMES, st.binary(max_size=60)), max_size=4).map(tuple),
    ),
    files=st.lists(
        st.builds(FileDigest, NAMES, st.binary(min_size=32, max_size=32).map(bytes.hex)),
        max_size=3,
    ).map(tuple),
    snapshot=st.lists(RESOURCES, max_size=6, unique_by=lambda r: (r.type_url, r.name)).map(
        Snapshot.of
    ),
    seawall_version=NAMES,
    envoy_version=NAMES,
    switches=st.lists(
        st.builds(
            Switch,
            st.sampled_from(Feature),
            st.none() | NAMES.map(SiteName),
            st.floats(0, 1e11),
            NAMES,
            NAMES,
        ),
        max_size=2,
    ).map(tuple),
    feeds=st.lists(st.builds(Pushed, NAMES, st.binary(max_size=40)), max_size=2).map(tuple),
)


@given(BUNDLES)
def test_what_was_encoded_decodes_to_the_same(bundle: Bundle) -> None:
    assert decode(encode(bundle)) == bundle


@given(BUNDLES)
def test_equal_content_has_equal_bytes_whatever_order_it_was_built_in(bundle: Bundle) -> None:
    turned = replace(bundle, snapshot=Snapshot.of(reversed(bundle.snapshot.resources)))
    assert encode(turned) == encode(bundle)
    assert digest_of(encode(turned)) == digest_of(encode(bundle))


@given(BUNDLES, BUNDLES)
def test_different_content_has_different_digests(one: Bundle, other: Bundle) -> None:
    same = digest_of(encode(one)) == digest_of(encode(other))
    assert same == (one == other)


@given(st.data())
@settings(max_examples=300)
def test_any_changed_byte_is_refused_or_changes_the_digest(data: st.DataObject) -> None:
    encoded = encode(made.bundle())
    index = data.draw(st.integers(0, len(encoded) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(encoded)
    changed[index] ^= flip
    try:
        decode(bytes(changed))
    except RefusedError:
        return
    assert digest_of(bytes(changed)) != digest_of(encoded)


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    for data in (noise, MAGIC + noise):
        with pytest.raises(RefusedError):
            decode(data)


def test_every_truncation_is_refused() -> None:
    encoded = encode(made.bundle())
    for length in range(len(encoded)):
        with pytest.raises(RefusedError):
            decode(encoded[:length])
    with pytest.raises(RefusedError, match="has data after its last part"):
        decode(encoded + b"\0")


def _with_manifest(
    change: Any, parts: bytes | None = None, encoded: bytes = encode(made.bundle())
) -> bytes:
    length = int.from_bytes(encoded[8:12])
    value = canonical.loads(encoded[12 : 12 + length], "test")
    text = change(value)
    if not isinstance(text, bytes):
        text = canonical.dumps(value)
    return MAGIC + len(text).to_bytes(4, "big") + text + (parts or encoded[12 + length :])


def test_a_newer_format_is_refused_as_newer() -> None:
    with pytest.raises(RefusedError, match="format 3; this Seawall knows up to 2") as caught:
        decode(_with_manifest(lambda v: v.update(format=3)))
    assert "update" in caught.value.remedy


@pytest.mark.parametrize("found", [None, "1", 0, -1, True, 1.0, [], {}])
def test_a_format_that_is_no_known_number_is_refused(found: Any) -> None:
    with pytest.raises(RefusedError):
        decode(_with_manifest(lambda v: v.update(format=found)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.update(more=1), "canonical"),
        (lambda v: v.pop("root"), "root"),
        (lambda v: v.update(kind="bots"), "unknown kind"),
        (lambda v: v.update(root=5), "root"),
        (lambda v: v.update(root="x" * 5000), "root"),
        (lambda v: v.update(sources={}), "sources"),
        (lambda v: v.update(sources=["x"]), "not a JSON object"),
        (lambda v: v["sources"][0].update(size=-1), "size"),
        (lambda v: v["sources"][0].update(size=True), "size"),
        (lambda v: v["sources"][0].update(size=10**30), "size"),
        (lambda v: v["sources"][0].update(size=10**7), "middle of a part"),
        (lambda v: v["sources"][0].update(sha256="0" * 64), "does not match its SHA-256"),
        (lambda v: v["resources"][0].update(type="type.googleapis.com/x.Y"), "unknown type"),
        (lambda v: v["files"][0].update(sha256="ABCD"), "not a SHA-256"),
        (lambda _v: b"[]", "not a JSON object"),
        (lambda _v: b"[" * 100_000, "not JSON"),
        (lambda _v: b'{"format":' + b"9" * 5000 + b"}", "not JSON"),
        (lambda _v: b'{"format":NaN}', "no known format"),
        (lambda v: canonical.dumps(v).replace(b'":', b'": ', 1), "canonical"),
        (lambda v: canonical.dumps(v)[:-1] + b',"root":"/srv/seawall.yaml"}', "canonical"),
    ],
)
def test_a_manifest_that_encode_would_not_write_is_refused(change: Any, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        decode(_with_manifest(change))


def test_a_resource_listed_twice_is_refused() -> None:
    def twice(value: Any) -> None:
        value["resources"].append(value["resources"][-1])

    encoded = encode(made.bundle())
    length = int.from_bytes(encoded[8:12])
    body = made.PRIVATE_KEY_MARK
    with pytest.raises(RefusedError, match="one resource twice"):
        decode(_with_manifest(twice, encoded[12 + length :] + body))


def test_oversized_bundles_are_refused_before_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded = encode(made.bundle())
    monkeypatch.setattr(limits, "BUNDLE_SIZE_BYTES_MAX", len(encoded) - 1)
    with pytest.raises(RefusedError, match="too large"):
        decode(encoded)
    with pytest.raises(RefusedError, match="too large"):
        encode(made.bundle())
    monkeypatch.undo()
    claims = MAGIC + (limits.BUNDLE_MANIFEST_SIZE_BYTES_MAX + 1).to_bytes(4, "big") + b"{}"
    with pytest.raises(RefusedError, match="too large"):
        decode(claims)


def test_too_many_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encode(made.bundle())
    monkeypatch.setattr(limits, "BUNDLE_PARTS_MAX", 2)
    with pytest.raises(RefusedError, match="at most 2 items"):
        decode(encoded)


def test_the_digest_is_the_sha256_of_the_manifest() -> None:
    encoded = encode(made.bundle())
    length = int.from_bytes(encoded[8:12])
    assert digest_of(encoded) == hashlib.sha256(encoded[12 : 12 + length]).hexdigest()


def test_no_text_of_a_bundle_shows_a_private_key() -> None:
    bundle = made.bundle()
    assert "PRIVATE KEY" not in repr(bundle)
    encoded = encode(bundle)
    damaged = encoded.replace(b"not for any log", b"not for any LOG")
    with pytest.raises(RefusedError) as caught:
        decode(damaged)
    assert "PRIVATE KEY" not in f"{caught.value} {caught.value.detail}"


SWITCHED = replace(
    made.bundle(),
    switches=(Switch(Feature.RETRIES, SiteName("shop"), 1_700_001_800.0, "storm", "ada"),),
    feeds=(Pushed(ListName("bad"), b"192.0.2.0/24\n"),),
)


def _format(encoded: bytes) -> Any:
    length = int.from_bytes(encoded[8:12])
    return canonical.loads(encoded[12 : 12 + length], "it")["format"]


def test_what_an_older_seawall_wrote_keeps_its_digest_and_format() -> None:
    assert _format(encode(made.bundle())) == 1
    assert _format(encode(SWITCHED)) == 2


def test_a_kind_that_format_1_did_not_know_is_written_in_format_2() -> None:
    assert _format(encode(replace(made.bundle(), kind=Kind.SWITCH))) == 2


def test_switches_and_feeds_come_back_as_they_were() -> None:
    assert decode(encode(SWITCHED)) == SWITCHED


@pytest.mark.parametrize(
    "entry",
    [
        {"feature": "tls"},
        {"feature": None},
        {"until_s": "soon"},
        {"site": 1},
        {"actor": None},
    ],
)
def test_a_switch_that_makes_no_sense_is_refused(entry: dict[str, Any]) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["switches"][0] |= entry

    with pytest.raises(RefusedError):
        decode(_with_manifest(change, encoded=encode(SWITCHED)))


def test_optional_parts_that_are_empty_are_not_canonical() -> None:
    with pytest.raises(RefusedError):
        decode(_with_manifest(lambda v: v.update(switches=[], format=2)))
