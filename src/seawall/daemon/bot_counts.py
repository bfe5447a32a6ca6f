"""What a node's bot service has done since it began, as numbers: in its log, and for who asks it.

`GET /internal/counts` on the service's socket answers with JSON. The path is not below
`/.well-known/seawall/`, which is all that Envoy routes to the service for clients.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from seawall import limits
from seawall.challenge.reply import Event, Outcome
from seawall.clock import Clock
from seawall.verify.service import Counts

PATH: Final = "/internal/counts"
_LOG: Final = structlog.stdlib.get_logger("seawall.bots")


class Tally:
    """Counts the outcomes of challenges, and tells them with what the verifier counts.

    Args:
        verified: what the verifier did so far.
    """

    def __init__(self, verified: Callable[[], Counts], clock: Clock) -> None:
        self._verified = verified
        self._clock = clock
        self._challenges = dict.fromkeys(Event, 0)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome of a challenge."""
        self._challenges[outcome.event] += 1

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """All numbers: `challenges` by outcome, and `verify` as `seawall.verify.service.Counts`."""
        challenges = {event.value: number for event, number in self._challenges.items()}
        return {"challenges": challenges, "verify": asdict(self._verified())}

    def routes(self) -> list[Route]:
        """The route for the bot service's application."""

        async def counts(_: Request) -> JSONResponse:
            return JSONResponse(self.counts())

        return [Route(PATH, counts, methods=["GET"])]

    async def run(self) -> None:
        """Write the numbers to the log when they have changed, until cancelled."""
        written = self.counts()
        while True:
            await self._clock.sleep(limits.BOT_COUNTS_LOG_S)
            now = self.counts()
            if now != written:
                written = now
                _LOG.info("counts", **now)
