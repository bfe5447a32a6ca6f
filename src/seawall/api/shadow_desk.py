"""What operators do with a shadow model: look how it compares, promote it, take it away.

Promotion is a release like any other and goes through every gate: it puts the very file that
scored beside the model in the model's place, and takes the shadow away, in one step that one
rollback undoes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.api.deeds import Deeds
from seawall.api.extras import Extras
from seawall.api.order import Order
from seawall.api.progress import Flow
from seawall.api.refusals import model_is_a_file, no_shadow
from seawall.api.releaser import Releaser
from seawall.api.work import Facts
from seawall.compiler.names import ACCESS_FILE
from seawall.errors import ConflictError
from seawall.release.release import Kind
from seawall.site.sources import BOT_MODEL, BOT_SHADOW
from seawall.telemetry import records
from seawall.telemetry.bot_shadow import compare
from seawall.telemetry.shadow_report import NO_SHADOW, ShadowReport

_PROMOTED: Final = f"{BOT_MODEL},{BOT_SHADOW}"


class ShadowDesk:
    """One for a control process.

    Args:
        turn: waits for a release that is in the gate just now; then what is current.
        deeds: told who did what, and what came of it.
        data_dir: where the access records are.
    """

    def __init__(
        self,
        releaser: Releaser,
        turn: Callable[[], Awaitable[Facts]],
        deeds: Deeds,
        data_dir: Path,
    ) -> None:
        self._releaser = releaser
        self._turn = turn
        self._deeds = deeds
        self._access_file = data_dir / "access" / ACCESS_FILE
        # One at a time, however many ask: each takes one of a few threads for seconds.
        self._comparing = asyncio.Lock()

    async def report(self) -> ShadowReport:
        """How model and shadow compare in the newest records of this machine."""
        facts = await self._releaser.current_facts()
        if facts is None or not facts.shadow.id:
            return NO_SHADOW
        async with self._comparing:
            return await asyncio.to_thread(self._compared, facts.model.id, facts.shadow.id)

    async def promote(
        self,
        wanted: str,
        *,
        author: str,
        message: str,
        force: tuple[str, ...] = (),
        break_glass: bool = False,
    ) -> Flow:
        """Begin to release the shadow as the bot model.

        Args:
            wanted: first digits of the digest of the shadow that is meant; empty: the one there is.
            author: who promotes it.
            message: for the history.
            force: bounds to pass, such as `score-drift`.
            break_glass: skip the steps of the rollout.

        Raises:
            NotFoundError: there is no shadow.
            ConflictError: it is another one than `wanted`; it or the model is a file; or there is
                no release yet, or one is on its way and does not end.
        """
        facts = await self._turn()
        _require_pushed(facts)
        shadow = facts.shadow
        if not shadow.id.startswith(wanted[: len(shadow.id)]):
            raise ConflictError(
                "shadow-changed",
                f"The shadow is {shadow.id}, not {wanted[:12]!r}.",
                remedy="Look at it with `seawall bots shadow`.",
            )
        if facts.model.path:
            raise model_is_a_file()
        order = Order(
            sources=facts.sources,
            author=author,
            message=message or f"Promote the shadow model {shadow.name or shadow.id}",
            kind=Kind.FEED,
            force=force,
            extras=Extras(promote=wanted or shadow.id, pinned=True),
            feed=_PROMOTED,
            break_glass=break_glass,
        )
        return await self._deeds.released(self._releaser, order, "shadow-promoted", shadow.id)

    async def unshadow(self, *, author: str, message: str) -> Flow:
        """Begin to take the shadow away.

        Raises:
            NotFoundError: there is no shadow.
            ConflictError: it is a file; or there is no release yet, or one is on its way and does
                not end.
        """
        facts = await self._turn()
        _require_pushed(facts)
        order = Order(
            sources=facts.sources,
            author=author,
            message=message or f"Without the shadow model {facts.shadow.id}",
            kind=Kind.FEED,
            extras=Extras(unshadow=True, pinned=True),
            feed=BOT_SHADOW,
        )
        return await self._deeds.released(
            self._releaser, order, "shadow-taken-away", facts.shadow.id
        )

    def _compared(self, model: str, shadow: str) -> ShadowReport:
        files = records.files(self._access_file)
        return compare(records.newest(files, limits.BOT_SHADOW_READ_BYTES), model, shadow)


def _require_pushed(facts: Facts) -> None:
    if facts.shadow.path:
        raise ConflictError(
            "feed-is-a-file",
            f"The shadow model is read from {facts.shadow.path}.",
            remedy=f"To promote it, push that file with `seawall feed push {BOT_MODEL}`. To remove "
            "the shadow, delete `bots: shadow` from the site file and apply.",
        )
    if not facts.shadow.id:
        raise no_shadow()
