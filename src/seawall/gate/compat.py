"""The second stage: can everyone who will meet this release read it?

A node keeps releases on disk for the day when nothing else is there, and its version may be older
than ours. So a release must be readable by the oldest agent, and use only what the oldest Envoy of
the fleet has. It is also read back here, by the rules that hold for stored releases: what we could
not read again is never stored. What no node has told is a named state, not a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from seawall.errors import RefusedError
from seawall.gate.features import FEATURES, EnvoyVersion
from seawall.release.bundle import FORMAT, Bundle, decode, format_of


@dataclass(frozen=True, slots=True)
class Recipient:
    """A node that will be given the release.

    Attributes:
        envoy: version of its Envoy, for example `1.40.0`; empty when it has told none.
        bundle_format: the newest format that its agent reads; 0 when it has told none.
    """

    name: str
    envoy: str
    bundle_format: int


def require_compatible(
    bundle: Bundle, encoded: bytes, features: frozenset[str], recipients: Sequence[Recipient]
) -> list[str]:
    """The arithmetic of the stage.

    Args:
        bundle: the release.
        encoded: the same, as it will be stored.
        features: type URLs that it uses.
        recipients: the nodes that are known; none before the first.

    Raises:
        RefusedError: someone could not read it.
    """
    if decode(encoded) != bundle:
        raise RefusedError(
            "gate-not-readable",
            "The release differs after it was encoded and read back.",
            remedy="This is a defect of Seawall: please report it.",
        )
    written = format_of(encoded)
    lines = [f"Bundle format {written}; this version reads up to {FORMAT}."]
    lines.append(_require_format(written, recipients))
    lines.append(_require_envoy(features, recipients))
    return lines


def _require_format(written: int, recipients: Sequence[Recipient]) -> str:
    if not recipients:
        return "No node has connected yet that must read it."
    told = [each for each in recipients if each.bundle_format]
    silent = len(recipients) - len(told)
    rest = (
        f"{silent} node(s) have not reported which formats they read. A node that cannot read "
        "this release keeps what it serves."
    )
    if not told:
        return rest
    oldest = min(told, key=lambda each: (each.bundle_format, each.name))
    behind = sum(each.bundle_format < written for each in told)
    if behind:
        raise RefusedError(
            "gate-node-too-old",
            f"The release has bundle format {written}; {behind} of {len(told)} node(s) read "
            f"up to {oldest.bundle_format}, for example {oldest.name}.",
            remedy="Update those nodes first. A release without `rollout`, `golden`, kill switches "
            "and pushed lists stays in the older format.",
        )
    reads = f"{len(told)} node(s) read format {oldest.bundle_format} or newer."
    return f"{reads} {rest}" if silent else reads


def _require_envoy(features: frozenset[str], recipients: Sequence[Recipient]) -> str:
    needed = max((FEATURES[name] for name in features), default=(0, 0))
    known = {
        recipient.name: _version(recipient.envoy)
        for recipient in recipients
        if _version(recipient.envoy)
    }
    silent = len(recipients) - len(known)
    if not known:
        return f"Envoy {_words(needed)} is needed; no node has reported its version."
    name, oldest = min(known.items(), key=lambda pair: (pair[1], pair[0]))
    if oldest is not None and oldest < needed:
        culprit = min(name for name in features if FEATURES[name] > oldest)
        raise RefusedError(
            "gate-envoy-too-old",
            f"The release needs Envoy {_words(needed)} for {culprit.rpartition('/')[2]}; the node "
            f"{name} has {_words(oldest)}.",
            remedy="Update that node first.",
        )
    rest = f"; {silent} have not reported theirs" if silent else ""
    return f"Envoy {_words(needed)} is needed, the oldest node has {_words(oldest)}{rest}."


def _version(text: str) -> EnvoyVersion | None:
    parts = text.split(".")
    if len(parts) < 2 or not (parts[0].isdecimal() and parts[1].isdecimal()):  # noqa: PLR2004 - major.minor
        return None
    return int(parts[0]), int(parts[1])


def _words(version: EnvoyVersion | None) -> str:
    return f"{version[0]}.{version[1]}" if version else "unknown"
