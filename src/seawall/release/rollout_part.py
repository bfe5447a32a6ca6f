"""How a release wants to be brought out, as one part of its bundle: golden requests and policy.

It decides the JSON of that part. Nodes ask the golden requests and control follows the policy,
neither of which has the site file. Every value is bounded again when it is read: a bundle may come
from elsewhere. A part says nothing that is not needed: with no golden requests and no policy of
its own a bundle has none, and stays in the format that older versions read.
"""

import math
from typing import Final

from seawall import limits
from seawall.errors import RefusedError
from seawall.ids import SiteName
from seawall.model import Golden, RolloutPolicy, Step, Wave, WithoutTraffic
from seawall.release import canonical
from seawall.release.canonical import Fields, Json, unreadable

_WHAT: Final = "the rollout part of the release bundle"
_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SHARE_PERMILLE_MAX: Final = 1_000
_STATUS_MAX: Final = 599


def encode_part(golden: tuple[Golden, ...], policy: RolloutPolicy | None) -> bytes:
    """The text of the part.

    Raises:
        RefusedError: the golden requests are too large together.
    """
    part = canonical.dumps(
        {
            "golden": [_golden_json(each) for each in golden],
            "policy": None if policy is None else _policy_json(policy),
        }
    )
    if len(part) > limits.BUNDLE_ROLLOUT_SIZE_BYTES_MAX:
        raise RefusedError(
            "release-too-large",
            f"The golden requests take {len(part)} bytes together; "
            f"{limits.BUNDLE_ROLLOUT_SIZE_BYTES_MAX} are the most.",
            remedy="Write fewer of them, or with shorter paths, headers and texts.",
        )
    return part


def decode_part(part: bytes) -> tuple[tuple[Golden, ...], RolloutPolicy | None]:
    """What `encode_part` wrote.

    Raises:
        RefusedError: it is not what this program writes, or over a bound.
    """
    if len(part) > limits.BUNDLE_ROLLOUT_SIZE_BYTES_MAX:
        raise unreadable(_WHAT, f"has {len(part)} bytes")
    top = _fields(canonical.loads(part, _WHAT))
    golden = tuple(_golden(each) for each in _entries(top, "golden", limits.GOLDEN_MAX))
    written = top.raw("policy")
    policy = None if written is None else _policy(_fields(written))
    if encode_part(golden, policy) != part:
        raise unreadable(_WHAT, "is not in its canonical form")
    return golden, policy


# --- Golden requests ------------------------------------------------------------------------------


def _golden_json(golden: Golden) -> Json:
    return {
        "contains": golden.contains,
        "headers": [[name, value] for name, value in golden.headers],
        "host": golden.host,
        "https": golden.https,
        "method": golden.method,
        "path": golden.path,
        "site": golden.site,
        "status": list(golden.status),
    }


def _golden(fields: Fields) -> Golden:
    method, path = fields.text("method"), fields.text("path")
    if method not in _METHODS:
        raise unreadable(_WHAT, f"holds a golden request with the method {method[:20]!r}")
    if not path.startswith("/"):
        raise unreadable(_WHAT, "holds a golden request without a path")
    return Golden(
        site=SiteName(fields.text("site")),
        host=fields.text("host"),
        path=path,
        method=method,
        https=fields.flag("https"),
        headers=tuple(
            _pair(each) for each in fields.listing("headers", length_max=limits.GOLDEN_HEADERS_MAX)
        ),
        status=tuple(
            _whole(each, _STATUS_MAX)
            for each in fields.listing("status", length_max=limits.GOLDEN_STATUSES_MAX)
        ),
        contains=fields.text("contains"),
    )


def _pair(value: Json) -> tuple[str, str]:
    match value:
        case [str(name), str(text)] if _is_line(name) and _is_line(text):
            return name, text
        case _:
            raise unreadable(_WHAT, "holds a golden request with an invalid header")


def _is_line(text: str) -> bool:
    return len(text) <= limits.HEADER_VALUE_LENGTH_CHARS_MAX and not set(text) & set("\r\n\0")


# --- Policy ---------------------------------------------------------------------------------------


def _policy_json(policy: RolloutPolicy) -> Json:
    return {
        "bake_s": float(policy.bake_s),
        "baseline": policy.baseline,
        "steps": [
            {
                "deadline_s": float(step.deadline_s),
                "share": step.share_permille,
                "soak_s": float(step.soak_s),
            }
            for step in policy.steps
        ],
        "taste_deadline_s": float(policy.taste_deadline_s),
        "waves": [{"group": wave.group, "share": float(wave.share)} for wave in policy.waves],
        "without_traffic": policy.without_traffic.value,
    }


def _policy(fields: Fields) -> RolloutPolicy:
    try:
        without_traffic = WithoutTraffic(fields.text("without_traffic"))
    except ValueError as error:
        raise unreadable(_WHAT, "names an unknown way without traffic") from error
    return RolloutPolicy(
        steps=tuple(
            Step(
                fields.whole("share", largest=_SHARE_PERMILLE_MAX),
                _seconds(fields, "soak_s"),
                _seconds(fields, "deadline_s"),
            )
            for fields in _entries(fields, "steps", limits.ROLLOUT_STEPS_MAX)
        ),
        waves=tuple(
            Wave(fields.text("group"), _share(fields))
            for fields in _entries(fields, "waves", limits.ROLLOUT_WAVES_MAX)
        ),
        taste_deadline_s=_seconds(fields, "taste_deadline_s"),
        bake_s=_seconds(fields, "bake_s"),
        without_traffic=without_traffic,
        baseline=fields.flag("baseline"),
    )


def _seconds(fields: Fields, key: str) -> float:
    seconds = fields.number(key)
    if not 0 <= seconds <= limits.ROLLOUT_DURATION_S_MAX:
        raise unreadable(_WHAT, f"has a time `{key}` out of bounds")
    return seconds


def _share(fields: Fields) -> float:
    share = fields.number("share")
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise unreadable(_WHAT, "has an invalid share")
    return share


# --- Both -----------------------------------------------------------------------------------------


def _entries(fields: Fields, key: str, length_max: int) -> list[Fields]:
    return [_fields(each) for each in fields.listing(key, length_max=length_max)]


def _fields(value: Json) -> Fields:
    return Fields(value, _WHAT, text_length_chars_max=limits.BUNDLE_TEXT_LENGTH_CHARS_MAX)


def _whole(value: Json, largest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise unreadable(_WHAT, f"holds something that is not a number from 0 to {largest}")
    return value
