"""Bots: what a site does with automated clients. The default observes and never blocks."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seawall import limits


class BotMode(StrEnum):
    """How far a policy goes."""

    OFF = "off"
    """Nothing is looked at."""
    OBSERVE = "observe"
    """Scored and recorded; what the policy would do is recorded, and never done."""
    ENFORCE = "enforce"
    """The policy is carried out."""


class BotDo(StrEnum):
    """What is done with a request."""

    ALLOW = "allow"
    OBSERVE = "observe"
    """Noted in the record; the next rule is asked."""
    CHALLENGE = "challenge"
    """A client that is cleared to the level, or verified, passes on to the next rule."""
    BLOCK = "block"
    RATE = "rate"
    """429 for a client over the rate; under it, the next rule is asked."""
    PAYMENT = "payment"
    """402."""


class BotCategory(StrEnum):
    """What a bot is for; `IMPOSTOR` and `UNVERIFIED` tell of the proof and not of the purpose."""

    SEARCH = "search"
    AI_TRAINING = "ai-training"
    AI_SEARCH = "ai-search"
    AI_USER = "ai-user"
    PREVIEW = "preview"
    SEO = "seo"
    MONITOR = "monitor"
    FEED = "feed"
    ARCHIVE = "archive"
    OTHER = "other"
    IMPOSTOR = "impostor"
    """Names a known bot and is proven not to be it."""
    UNVERIFIED = "unverified"
    """Names a known bot, and nothing is proven."""


BOT_PURPOSES: Final = tuple(
    one for one in BotCategory if one not in (BotCategory.IMPOSTOR, BotCategory.UNVERIFIED)
)
"""What a known bot can be for."""
BOT_WINDOWS_S: Final = (10, 60, 600)
"""The windows over which the requests of a client are counted, in seconds."""


@dataclass(frozen=True, slots=True)
class BotAction:
    """What to do, with what it needs to know.

    Attributes:
        level: of a challenge, 1 to 3; 0 stands for the level of the site.
        requests: of a rate: as many are allowed in `per_s`.
        per_s: of a rate: one of `BOT_WINDOWS_S`.
    """

    do: BotDo
    level: int = 0
    requests: int = 0
    per_s: int = 0


@dataclass(frozen=True, slots=True)
class BotRule:
    """One rule; the first that holds and decides wins.

    Attributes:
        name: unique in its site; records carry it.
        when: condition in the language of `seawall.bots.expression`; empty always holds.
    """

    name: str
    when: str
    action: BotAction


@dataclass(frozen=True, slots=True)
class BotChallenge:
    """How clients are challenged.

    Attributes:
        level: 1 a short wait, 2 work, 3 work in an ordinary browser.
        passes_unavailable: while the bot service is down, who would be challenged passes.
        clearance_s: how long a passed challenge is good for.
        ipv4_bits: a clearance holds in the network of this size that the client came from.
        ipv6_bits: likewise.
        contact: where somebody who cannot pass may write, `mailto:` or `https:`; may be empty.
    """

    level: int = 1
    passes_unavailable: bool = True
    clearance_s: float = float(limits.CLEARANCE_LIFETIME_S)
    ipv4_bits: int = 24
    ipv6_bits: int = 48
    contact: str = ""


@dataclass(frozen=True, slots=True)
class BotPolicy:
    """The policy of one site.

    Attributes:
        rules: tried in order.
        categories: tried after the rules, for clients that name a known bot; at most one entry a
            category, and a category without one is observed.
        scores_static: also what a page loads (scripts, styles, images) is scored.
        robots_txt: text of `/robots.txt`; empty leaves it to the origin.
        page_probe: the script that pages may load to look at their browser is served.
    """

    mode: BotMode = BotMode.OBSERVE
    rules: tuple[BotRule, ...] = ()
    categories: tuple[tuple[BotCategory, BotAction], ...] = ()
    challenge: BotChallenge = BotChallenge()
    scores_static: bool = False
    robots_txt: str = ""
    page_probe: bool = False


OBSERVING: Final = BotPolicy()
"""The policy of a site that says nothing of bots."""
