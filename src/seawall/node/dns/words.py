"""What people are told of names that are answered from memory: pure."""

from collections.abc import Iterable, Iterator, Sequence

from seawall.limits import DNS_TOLD_ADDRESSES_MAX, DNS_TOLD_NAMES_MAX
from seawall.node.dns.memory import Stale
from seawall.phrases import few, minute


def notices(stale: Sequence[Stale], wall_s: float) -> Iterator[str]:
    """One for each name, or one for all when they are many."""
    if len(stale) <= DNS_TOLD_NAMES_MAX:
        yield from (_one(item, wall_s) for item in stale)
        return
    ends_s = min(item.left_s for item in stale)
    yield (
        f"DNS has returned no addresses for {len(stale):,} origin names since "
        f"{minute(wall_s - stale[0].for_s)}, among them "
        f"{', '.join(item.question.text for item in stale[:DNS_TOLD_NAMES_MAX])}. Their last "
        f"known addresses stay in use, the first of them until {minute(wall_s + ends_s)}. Check "
        "this machine's DNS."
    )


def addresses(found: Iterable[str]) -> str:
    """A few of them, and how many more."""
    return few(list(found), DNS_TOLD_ADDRESSES_MAX)


def _one(item: Stale, wall_s: float) -> str:
    return (
        f"Origin name {item.question.text}: {item.why} since {minute(wall_s - item.for_s)}; its "
        f"last known addresses ({addresses(item.addresses)}) stay in use until "
        f"{minute(wall_s + item.left_s)}. Fix its DNS record, or change the origin."
    )
