"""What going back to an earlier release would do to certificates: the one thing that time spoils.

A release says exactly what it said, so it brings back the certificate of its day. One that has
ended since shuts every browser out, which nobody means who undoes a change. Pure, over snapshots.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from seawall.api.refusals import is_digest
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.errors import RefusedError
from seawall.ids import ReleaseId

FORCE: Final = "certificate-expired"
"""What lets a rollback pass that serves a certificate which has ended."""
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
_KEY: Final = b"PRIVATE KEY-----"
_NAMES_SHOWN: Final = 5


def idle_force(force: Sequence[str]) -> tuple[str, ...]:
    """What to tell of names that let nothing pass here; they are no reason to stay where one is."""
    return tuple(
        f"A rollback cannot be forced with {name[:60]!r}. Use {FORCE}, or at least the first 12 "
        "digits of a quarantined digest."
        for name in dict.fromkeys(force)
        if name != FORCE and not is_digest(name)
    )


def certificates_again(
    back: tuple[ReleaseId, Snapshot],
    current: tuple[ReleaseId, Snapshot],
    now_s: float,
    force: Sequence[str] = (),
) -> tuple[str, ...]:
    """What to tell of certificates that end earlier after a rollback than before it.

    Args:
        back: the release to go back to.
        current: the one that serves.
        now_s: seconds since 1970.
        force: what somebody lets pass by name.

    Raises:
        RefusedError: one of them has ended, that of today has not, and nobody forces it.
    """
    (release, snapshot), (serving, today) = back, current
    now = _ends(today, besides=snapshot)
    earlier = {
        name: (end_s, now[name])
        for name, end_s in _ends(snapshot, besides=today).items()
        if end_s < now.get(name, end_s)
    }
    over = {name: ends for name, ends in earlier.items() if ends[0] <= now_s < ends[1]}
    if over and FORCE not in force:
        told = "; ".join(
            f"{name} ended on {_day(was_s)}, that of {serving} ends on {_day(is_s)}"
            for name, (was_s, is_s) in _shown(over)
        )
        raise RefusedError(
            "certificate-expired",
            f"{release} would serve an older certificate that browsers refuse: certificate {told}.",
            remedy=f"Apply the site file that `seawall show {release}` prints, to serve the "
            f"certificate on disk. To go back all the same: --force {FORCE}.",
        )
    return tuple(
        f"Certificate {name} is the one of {release} again, which ends on {_day(was_s)}. The one "
        f"of {serving} ends on {_day(is_s)}. `seawall apply` serves the one on disk."
        for name, (was_s, is_s) in _shown(earlier)
    )


def _shown(
    certificates: dict[str, tuple[float, float]],
) -> list[tuple[str, tuple[float, float]]]:
    return sorted(certificates.items(), key=lambda one: one[1])[:_NAMES_SHOWN]


def _ends(snapshot: Snapshot, *, besides: Snapshot) -> dict[str, float]:
    """When each certificate ends that is not in `besides` too, by its slot."""
    from cryptography import x509  # noqa: PLC0415 - only who goes back pays for it

    ends = {}
    for resource in snapshot.of_type(TypeUrl.SECRET):
        other = besides.by_key.get((TypeUrl.SECRET, resource.name))
        if _KEY not in resource.body or (other is not None and other.body == resource.body):
            continue
        # Its own certificate stands first; the text lies in the message as it is.
        _, begin, rest = resource.body.partition(_BEGIN)
        pem, end, _ = rest.partition(_END)
        if not end:
            continue
        try:
            leaf = x509.load_pem_x509_certificate(begin + pem + end)
        except ValueError:
            continue
        ends[resource.name] = leaf.not_valid_after_utc.timestamp()
    return ends


def _day(at_s: float) -> str:
    return dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%d")
