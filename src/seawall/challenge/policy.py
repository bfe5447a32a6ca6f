"""What the service needs to know of a site; comes with a release and may change at any moment."""

from dataclasses import dataclass

from seawall.errors import UsageError
from seawall.limits import (
    CHALLENGE_CONTACT_LENGTH_CHARS_MAX,
    CLEARANCE_LIFETIME_S,
    CLEARANCE_LIFETIME_S_MAX,
)
from seawall.model.clearance import ClearanceKeys


@dataclass(frozen=True, slots=True)
class ChallengePolicy:
    """One site's challenge.

    Attributes:
        keys: the two live keys.
        epoch: clearances of another epoch are refused; a new number logs everybody out.
        lifetime_s: how long a clearance is good.
        contact: where a visitor can write, `mailto:` or `https:`; empty when there is no place.

    Raises:
        UsageError: a value is out of its range.
    """

    keys: ClearanceKeys
    epoch: int
    lifetime_s: int = CLEARANCE_LIFETIME_S
    contact: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.epoch < 10**11:
            raise UsageError("challenge-epoch", f"Epoch {self.epoch} is not a small whole number.")
        if not 1 <= self.lifetime_s <= CLEARANCE_LIFETIME_S_MAX:
            raise UsageError(
                "challenge-lifetime",
                f"A clearance of {self.lifetime_s} s is not between 1 s and "
                f"{CLEARANCE_LIFETIME_S_MAX} s.",
            )
        address = self.contact.lower()
        if address and (
            not address.startswith(("mailto:", "https://", "http://"))
            or len(address) > CHALLENGE_CONTACT_LENGTH_CHARS_MAX
        ):
            raise UsageError(
                "challenge-contact",
                f"Contact {self.contact[:60]!r} is neither a mail nor a web address.",
                remedy="Write mailto:NAME@HOST or https://HOST/PATH.",
            )
