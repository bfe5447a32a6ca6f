"""The rules for bots of all sites, for the rules that look at them."""

from collections.abc import Iterator
from dataclasses import dataclass

from seawall.bots.expression import Expression
from seawall.bots.expression_parse import Fault, parse
from seawall.ids import SiteName
from seawall.model import BotDo
from seawall.site.build_bots import bot_action
from seawall.site.draft import Draft, Placed
from seawall.site.problem import Location
from seawall.site.schema.bots import BotRuleSection
from seawall.site.schema.site import SiteSection
from seawall.site.tree import Step


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """One rule and where it stands."""

    site: SiteName
    placed: Placed[SiteSection]
    index: int
    section: BotRuleSection

    @property
    def when(self) -> str:
        """The text of the condition."""
        return self.section.when or ""

    @property
    def does(self) -> BotDo:
        """What it does."""
        return bot_action(self.section.action).do

    @property
    def subject(self) -> str:
        """For problems."""
        return f"site {self.site}"

    def at(self, *steps: Step) -> Location:
        """The place of a key of the rule, or of the rule."""
        return self.placed.at("bots", "rules", self.index, *steps)

    def lost(self, *steps: Step) -> bool:
        """Whether a key of the rule could not be read."""
        return self.placed.lost("bots", "rules", self.index, *steps)

    def condition(self) -> Expression | None:
        """The condition; None when it is lost, or faulty, which `bad-bot-rule` says."""
        if self.lost("when"):
            return None
        found = parse(self.when)
        return None if isinstance(found, Fault) else found


def rules_of(name: SiteName, placed: Placed[SiteSection]) -> list[WrittenRule]:
    """The rules of one site, in order."""
    bots = placed.section.bots
    if bots is None or bots.rules is None:
        return []
    return [WrittenRule(name, placed, index, rule) for index, rule in enumerate(bots.rules)]


def bot_rules(draft: Draft) -> Iterator[WrittenRule]:
    """Every rule of every site."""
    for name, placed in draft.sites.items():
        yield from rules_of(name, placed)
