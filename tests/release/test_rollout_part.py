"""Golden requests and policy in a bundle: what is written comes back, and nothing else is taken."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release import made
from seawall import limits
from seawall.errors import RefusedError
from seawall.ids import SiteName
from seawall.model import DEFAULT_POLICY, Golden, RolloutPolicy, Step, Wave, WithoutTraffic
from seawall.release.bundle import decode, digest_of, encode
from seawall.release.rollout_part import decode_part, encode_part

SECONDS = st.floats(0, limits.ROLLOUT_DURATION_S_MAX)
LINES = st.text(max_size=20).filter(lambda text: not set(text) & set("\r\n\0"))
GOLDEN = st.builds(
    Golden,
    site=LINES.map(SiteName),
    host=LINES,
    path=LINES.map(lambda text: f"/{text}"),
    method=st.sampled_from(("GET", "HEAD", "OPTIONS")),
    https=st.booleans(),
    headers=st.lists(st.tuples(LINES, LINES), max_size=3).map(tuple),
    status=st.lists(st.integers(200, 599), max_size=3).map(tuple),
    contains=LINES,
)
POLICIES = st.builds(
    RolloutPolicy,
    steps=st.lists(st.builds(Step, st.integers(1, 1000), SECONDS, SECONDS), max_size=3).map(tuple),
    waves=st.lists(st.builds(Wave, LINES, st.floats(0, 1)), max_size=3).map(tuple),
    taste_deadline_s=SECONDS,
    bake_s=SECONDS,
    without_traffic=st.sampled_from(WithoutTraffic),
    baseline=st.booleans(),
)
ONE = Golden(SiteName("shop"), "shop.example.com", "/", headers=(("accept", "text/html"),))


@given(st.lists(GOLDEN, max_size=3).map(tuple), st.none() | POLICIES)
def test_what_was_written_is_read(golden: tuple[Golden, ...], policy: RolloutPolicy | None) -> None:
    assert decode_part(encode_part(golden, policy)) == (golden, policy)
    bundle = replace(made.bundle(), golden=golden, policy=policy)
    assert decode(encode(bundle)) == bundle


def test_a_change_of_golden_requests_or_policy_alone_is_another_release() -> None:
    plain = made.bundle()
    others = (
        replace(plain, golden=(ONE,)),
        replace(plain, golden=(replace(ONE, path="/a"),)),
        replace(plain, policy=DEFAULT_POLICY),
        replace(plain, policy=replace(DEFAULT_POLICY, bake_s=1.0)),
    )
    assert len({digest_of(encode(bundle)) for bundle in (plain, *others)}) == len(others) + 1


def test_a_bundle_without_them_stays_in_the_first_format() -> None:
    assert b'"format":1' in encode(made.bundle())
    assert b'"format":2' in encode(replace(made.bundle(), golden=(ONE,)))


def _changed(change: Any) -> bytes:
    value = json.loads(encode_part((ONE,), DEFAULT_POLICY))
    change(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text.encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v["golden"][0].update(method="POST"),
        lambda v: v["golden"][0].update(path="shop"),
        lambda v: v["golden"][0].update(https="yes"),
        lambda v: v["golden"][0].update(status=[True]),
        lambda v: v["golden"][0].update(status=[2**31]),
        lambda v: v["golden"][0].update(headers=[["a", "b\r\nc: d"]]),
        lambda v: v["golden"][0].update(headers=[["a"]]),
        lambda v: v["golden"][0].update(headers=[["a", "b"]] * (limits.GOLDEN_HEADERS_MAX + 1)),
        lambda v: v["golden"][0].update(host="x" * 10_000),
        lambda v: v["golden"][0].update(extra=1),
        lambda v: v.update(golden=[v["golden"][0]] * (limits.GOLDEN_MAX + 1)),
        lambda v: v.update(golden=[None]),
        lambda v: v.update(golden={}),
        lambda v: v.update(policy=[]),
        lambda v: v["policy"].update(bake_s=float("inf")),
        lambda v: v["policy"].update(bake_s=-1.0),
        lambda v: v["policy"].update(bake_s=1e300),
        lambda v: v["policy"].update(bake_s=True),
        lambda v: v["policy"].update(without_traffic="promote"),
        lambda v: v["policy"]["steps"][0].update(share=1001),
        lambda v: v["policy"]["waves"][0].update(share=2.0),
        lambda v: v["policy"].update(steps=v["policy"]["steps"] * 50),
        lambda v: v.pop("policy"),
    ],
)
def test_what_this_program_would_not_write_is_refused(change: Any) -> None:
    with pytest.raises(RefusedError) as caught:
        decode_part(_changed(change))
    assert caught.value.code == "release-unreadable"


def test_too_many_large_golden_requests_are_refused_when_written() -> None:
    large = tuple(replace(ONE, path="/" + "x" * 2_000, contains=str(n)) for n in range(1_500))
    with pytest.raises(RefusedError, match="golden requests take") as caught:
        encode_part(large, None)
    assert caught.value.remedy
