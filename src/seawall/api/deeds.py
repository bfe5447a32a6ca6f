"""Who did what, with what came of it: an entry as a deed begins, and another where it is refused.

An entry alone would stand in the audit log as if the deed was done, also of one that the gate, a
freeze or a node refused a moment later.
"""

import asyncio
from collections.abc import Awaitable, Callable

from seawall.api.order import Order
from seawall.api.progress import Flow
from seawall.api.releaser import Releaser
from seawall.api.views import Refused
from seawall.errors import SeawallError
from seawall.release.ledger import Audit
from seawall.tasks import Background


class Deeds:
    """Writes them down.

    Args:
        background: waits for what comes of a deed.
        log: told what could not be written down.
    """

    def __init__(
        self, audit: Audit, background: Background, *, log: Callable[[str, str], None]
    ) -> None:
        self._audit = audit
        self._background = background
        self._log = log

    async def note(self, actor: str, action: str, subject: str, detail: str = "") -> None:
        """Write a deed down.

        Raises:
            UnreachableError: the store cannot be written.
        """
        await asyncio.to_thread(
            self._audit.add, actor=actor, action=action, subject=subject, detail=detail
        )

    async def noted(
        self, actor: str, action: str, subject: str, detail: str = "", *, lost: str
    ) -> None:
        """Write down what is done already: where that cannot be, it is logged as `lost`."""
        try:
            await self.note(actor, action, subject, detail)
        except SeawallError as error:
            self._log(lost, error.message)

    async def begun(
        self,
        begin: Callable[[], Awaitable[Flow]],
        actor: str,
        action: str,
        subject: str,
        detail: str = "",
    ) -> Flow:
        """Write a deed down, then begin it.

        Raises:
            SeawallError: it cannot be written down, or does not begin.
        """
        await self.note(actor, action, subject, detail)
        try:
            flow = await begin()
        except SeawallError as error:
            await self._refused(actor, action, subject, error.message)
            raise
        self._background.spawn(self._follow(flow, actor, action, subject), name="deed")
        return flow

    async def released(
        self, releaser: Releaser, order: Order, action: str, subject: str, detail: str = ""
    ) -> Flow:
        """Write down that somebody orders a release, then begin it.

        Raises:
            SeawallError: it cannot be written down, or does not begin.
        """

        async def begin() -> Flow:
            return releaser.apply(order)

        return await self.begun(begin, order.author, action, subject, detail)

    async def _follow(self, flow: Flow, actor: str, action: str, subject: str) -> None:
        outcome = await flow.wait()
        if isinstance(outcome, Refused):
            await self._refused(actor, action, subject, outcome.message)

    async def _refused(self, actor: str, action: str, subject: str, why: str) -> None:
        detail = refused_words(why)
        await self.noted(actor, action, subject, detail, lost="deed-not-recorded")


def refused_words(why: str) -> str:
    """The detail of an entry for what was refused."""
    return f"refused: {why}"
