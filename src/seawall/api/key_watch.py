"""Rotates the keys that clearances are signed with, each time as a release of its own.

The key before stays believed for one more turn, so nobody is logged out by a rotation. What keeps
a rotation from its release (a freeze, another rollout) is tried again; until then the old keys
serve.
"""

from collections.abc import Callable

from seawall import limits
from seawall.api.extras import Extras
from seawall.api.order import Order
from seawall.api.progress import Flow
from seawall.api.releaser import Releaser
from seawall.api.status_views import NoticeView
from seawall.api.views import Refused
from seawall.clock import Clock
from seawall.errors import ConflictError, SeawallError
from seawall.release.release import Kind
from seawall.site.sources import CLEARANCE_KEYS

AUTHOR = "seawall"


class KeyWatch:
    """One for a control process; use `run` as a task."""

    def __init__(
        self, releaser: Releaser, clock: Clock, *, log: Callable[[str, str], None]
    ) -> None:
        self._releaser = releaser
        self._clock = clock
        self._log = log
        self._refused = ""

    async def run(self) -> None:
        """Rotate when it is time, until cancelled."""
        while True:
            await self._clock.sleep(limits.CLEARANCE_KEY_POLL_S)
            try:
                flow = await self.rotate_overdue()
                outcome = await flow.wait() if flow is not None else None
                self._refused = outcome.message if isinstance(outcome, Refused) else ""
            except SeawallError as error:
                self._refused = error.message
            if self._refused:
                self._log("clearance-keys-not-rotated", self._refused)

    async def rotate_overdue(self) -> Flow | None:
        """Begin a release with a new key, when the signing one is old; None when nothing is due.

        Raises:
            RefusedError: frozen.
        """
        facts = await self._releaser.current_facts()
        if facts is None or facts.clearance_keys_s is None:
            return None
        # One that a clock made which was ahead would else be kept until that time has come.
        age_s = abs(self._clock.now_s() - facts.clearance_keys_s)
        if age_s < limits.CLEARANCE_KEY_AGE_S or self._releaser.in_the_way(Kind.FEED):
            return None
        self._releaser.unless_frozen()
        return await self.rotate(AUTHOR, "The key that signs clearances is old")

    async def rotate(self, author: str, message: str, *, break_glass: bool = False) -> Flow:
        """Begin a release with a new key.

        `break_glass` skips the steps: a key that is dropped while visitors show clearances by it
        looks like a fault to the judge.

        Raises:
            ConflictError: nothing is signed yet, or another release is on its way.
        """
        facts = await self._releaser.current_facts()
        if facts is None or facts.clearance_keys_s is None:
            raise ConflictError(
                "no-clearance-keys",
                "There is no key to rotate: no site uses challenges.",
                remedy="Keys are made with the first release in which a site's bots are enforced.",
            )
        return self._releaser.apply(
            Order(
                sources=facts.sources,
                author=author,
                message=message,
                kind=Kind.FEED,
                extras=Extras(rotate_keys=True, pinned=True),
                feed=CLEARANCE_KEYS,
                break_glass=break_glass,
            )
        )

    def notice(self) -> NoticeView | None:
        """That a rotation is overdue."""
        if not self._refused:
            return None
        return NoticeView(
            "warning",
            "clearance-keys-not-rotated",
            f"The key that signs clearances is old and could not be rotated: {self._refused}",
            "Seawall retries automatically; the old key stays in use until then.",
        )
