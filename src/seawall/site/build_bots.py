"""The bot policy of a site: from what is written to the model, with every default applied."""

from functools import cache

from seawall.bots.policy import DEFAULT_RULES
from seawall.bots.robots import robots_txt
from seawall.model import (
    OBSERVING,
    BotAction,
    BotCategory,
    BotChallenge,
    BotDo,
    BotMode,
    BotPolicy,
    BotRule,
)
from seawall.site.schema.bots import (
    ActionSection,
    BotsSection,
    CategoryActionSection,
    RateSection,
    RobotsSection,
)
from seawall.verify.catalogue import catalogue


def build_bots(section: BotsSection | None) -> BotPolicy:
    """The policy that a site writes; without one it observes.

    A site that writes no `rules` has the default ones. In mode `observe` it is recorded what they
    would do, so that a site sees it before it enforces them.
    """
    if section is None:
        return OBSERVING
    written = section.rules
    rules: tuple[BotRule, ...] = DEFAULT_RULES
    if written is not None:
        rules = tuple(BotRule(r.name, r.when or "", bot_action(r.action)) for r in written)
    categories = tuple(
        (BotCategory(name), bot_action(action)) for name, action in section.categories.items()
    )
    challenge = section.challenge
    return BotPolicy(
        mode=BotMode(section.mode),
        rules=rules,
        categories=categories,
        challenge=BotChallenge(
            level=challenge.level,
            passes_unavailable=challenge.unavailable == "pass",
            clearance_s=challenge.clearance,
            ipv4_bits=challenge.ipv4_prefix,
            ipv6_bits=challenge.ipv6_prefix,
            contact=challenge.contact or "",
        ),
        scores_static=section.static == "score",
        robots_txt=_robots(section.robots, dict(categories)) if section.robots else "",
        page_probe=section.probe,
    )


def bot_action(written: str | ActionSection | CategoryActionSection) -> BotAction:
    """What an action in a site file says."""
    match written:
        case str():
            return BotAction(BotDo(written))
        case CategoryActionSection(limit=limit):
            return _rate(limit)
        case ActionSection(rate=RateSection() as rate):
            return _rate(rate)
    level = written.challenge.level if written.challenge else 0
    return BotAction(BotDo.CHALLENGE, level=level)


def _rate(section: RateSection) -> BotAction:
    return BotAction(BotDo.RATE, requests=section.requests, per_s=section.per)


def _robots(section: RobotsSection, written: dict[BotCategory, BotAction]) -> str:
    return robots_txt(written, bot_tokens(), extra=section.extra, sitemaps=section.sitemaps)


@cache
def bot_tokens() -> dict[BotCategory, tuple[str, ...]]:
    """User-agent tokens of the known bots."""
    found: dict[BotCategory, tuple[str, ...]] = {}
    for bot in catalogue().bots:
        found[bot.category] = found.get(bot.category, ()) + bot.tokens
    return found
