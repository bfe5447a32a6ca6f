"""Programs that perform sessions: JSON with jobs on standard input, a line for each on its output.

They run in the clients' interpreter or in Node.js, never in the edge's, and import nothing of it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Driver:
    """How sessions of a kind are performed.

    Attributes:
        lane: drivers of one lane share its workers.
        command: the program; `{python}` is the clients' interpreter, `{node}` the Node.js folder.
        sessions: of a configuration of weight 1, in a full set.
        session_s: longest time of one session, seconds.
    """

    lane: str
    command: tuple[str, ...]
    sessions: int
    session_s: float


DRIVERS = {
    "libraries": Driver(
        "light", ("{python}", "-W", "ignore", "-m", "zoo.drivers.libraries"), 16, 200
    ),
    "scrapy": Driver("light", ("{python}", "-W", "ignore", "-m", "zoo.drivers.spider"), 10, 120),
    "node": Driver("light", ("node", "{node}/http.mjs"), 14, 200),
    "commands": Driver("light", ("{python}", "-m", "zoo.drivers.commands"), 12, 200),
    "browsers": Driver(
        "browsers", ("{python}", "-W", "ignore", "-m", "zoo.drivers.browsers"), 10, 90
    ),
    "node browsers": Driver("browsers", ("node", "{node}/browsers.mjs"), 10, 90),
    "firefox": Driver("browsers", ("{python}", "-m", "zoo.drivers.firefox"), 10, 90),
    "people": Driver("people", ("{python}", "-m", "zoo.drivers.people"), 4, 200),
}
"""By the name that configurations use."""

WORKERS = {"light": 3, "browsers": 2, "people": 3}
"""Batches at once in each lane, for a machine of two cores: most of their time is waiting.

A lane without batches lends its workers to the others.
"""
