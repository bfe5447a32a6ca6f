"""All configurations, and the batches that a data set is made of, pure."""

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from zoo.clients import browsers, commands, impersonators, libraries, node, people
from zoo.drivers import DRIVERS
from zoo.identity import Identities
from zoo.kinds import Configuration

ALL: tuple[Configuration, ...] = (
    *libraries.ALL,
    *impersonators.ALL,
    *node.ALL,
    *commands.ALL,
    *browsers.ALL,
    *people.ALL,
)

COOKIES_SHARE = 0.5
"""Share of scripted sessions that keep cookies."""


@dataclass(frozen=True)
class Planned:
    """A session before it has a port."""

    session: str
    address: str
    seed: int
    behaviour: str
    cookies: bool


@dataclass(frozen=True)
class Batch:
    """Sessions of one configuration that one process performs."""

    configuration: Configuration
    sessions: tuple[Planned, ...]

    @property
    def lane(self) -> str:
        """The lane of its driver."""
        return DRIVERS[self.configuration.driver].lane


def chosen(configuration: Configuration, words: Collection[str]) -> bool:
    """Whether one of the words is in its name, or is its class or driver; or there are none."""
    told = {configuration.label.value, configuration.driver}
    return not words or any(word in configuration.name or word in told for word in words)


def full(configurations: Iterable[Configuration]) -> float:
    """Sessions of a full set of these."""
    return sum(DRIVERS[c.driver].sessions * c.weight for c in configurations)


def schedule(configurations: Iterable[Configuration], scale: float, seed: int) -> list[Batch]:
    """The batches of a data set in the order they are performed; the same seed, the same set.

    Args:
        configurations: those that can run here.
        scale: 1 is a full set; each configuration has at least one session.
        seed: decides addresses, behaviours and the order.
    """
    chance = random.Random(seed)
    identities = Identities(random.Random(chance.getrandbits(64)))
    batches: list[Batch] = []
    number = 0
    for configuration in configurations:
        driver = DRIVERS[configuration.driver]
        left = max(1, round(driver.sessions * configuration.weight * scale))
        while left > 0:
            planned = []
            for _ in range(min(left, configuration.batch)):
                number += 1
                planned.append(
                    Planned(
                        f"s{number:05}",
                        identities.next(),
                        chance.getrandbits(32),
                        chance.choice(configuration.behaviours),
                        chance.random() < COOKIES_SHARE,
                    )
                )
            batches.append(Batch(configuration, tuple(planned)))
            left -= len(planned)
    chance.shuffle(batches)
    return batches
