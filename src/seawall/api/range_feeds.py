"""Published ranges as feeds of the current release: asked for and pushed like anybody's.

The command and the job of control both come here, so a list is renewed by one way only.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from seawall.api.client import Client
from seawall.api.hand_views import WAITING
from seawall.api.views import Applied, ApplyEvent, Refused
from seawall.errors import RefusedError, UsageError
from seawall.verify.ranges import RangeList, known
from seawall.verify.renewing import Fetched, World, renewed, wanted

RELEASED: Final = "released"
WAITS: Final = "waits"
"""It was pushed, is kept, and is released by itself."""
Push = Callable[[str, bytes, str], Iterator[ApplyEvent]]
"""Pushes content into the feed of a name, with a message; gives the events of its release."""
Follow = Callable[[Iterator[ApplyEvent]], Applied | Refused]
"""Follows a release to its end."""


class Feeds:
    """The lists of the current release that are pushed.

    Args:
        client: of control.
        push: how content is pushed.
        follow: tells whoever waits.
    """

    def __init__(self, client: Client, push: Push, follow: Follow) -> None:
        self.taken = RELEASED
        self._client = client
        self._push = push
        self._follow = follow

    def held(self, name: str) -> RangeList | None:
        """See `Holding.held`."""
        try:
            text = self._client.feed(name).text
            return None if text is None else known(name, text.encode())
        except RefusedError as error:
            raise RefusedError(error.code, f"{name}: {error.message}") from error

    def take(self, name: str, content: str) -> None:
        """See `Holding.take`."""
        end = self._follow(self._push(name, content.encode(), f"Published ranges {name}"))
        waits = isinstance(end, Refused) and end.code == WAITING
        if isinstance(end, Refused) and not waits:
            raise RefusedError(end.code, f"{name} was not released: {end.message}")
        self.taken = WAITS if waits else RELEASED


def renew_feeds(
    world: World,
    client: Client,
    names: Sequence[str],
    holding: Feeds,
    *,
    told: Callable[[str, int, int], None] = lambda _name, _done, _of: None,
) -> list[Fetched]:
    """Renew what was pushed, each as a release; without names, the lists of the current release.

    Raises:
        UsageError: there is no list of that name, or the current release has none to push to.
        UnreachableError: nothing runs there.
    """
    pushed = {one.name for one in client.feeds().feeds if not one.path}
    listed = [name for name in world.sources if name in pushed]
    if not names and not listed:
        raise UsageError(
            "no-range-lists",
            "The current release has no list of published ranges that can be pushed.",
            remedy="Write for example `lists: {google-common: {}}` into the site file, and apply.",
        )
    sources = wanted(names or listed, world.sources)
    done = []
    for place, source in enumerate(sources):
        told(f"Fetch {source.name}", place, len(sources))
        done.append(renewed(world, source, holding))
    return done


def last_of(events: Iterator[ApplyEvent]) -> Applied | Refused:
    """The end of a release that nobody watches.

    Raises:
        RefusedError: control went away before it told.
    """
    ends = [event for event in events if isinstance(event, Applied | Refused)]
    if not ends:
        raise RefusedError(
            "outcome-unknown",
            "The connection to the control process was lost before the outcome was known.",
        )
    return ends[-1]
