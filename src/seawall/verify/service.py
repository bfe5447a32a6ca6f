"""The verifying half of the bot service: claims to verdicts, and signed requests to outcomes.

Nothing here is needed to serve a request, and no input ends it: what goes wrong with one claim is
counted, and the next one is looked at.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from seawall import limits
from seawall.clock import Clock
from seawall.verify.catalogue import Bot, Catalogue
from seawall.verify.claims import Claim, ClaimsBoard
from seawall.verify.directory import Directories, NoKey
from seawall.verify.dns import Lookups
from seawall.verify.mapping import Address, prefix
from seawall.verify.outcome import Outcome
from seawall.verify.settle import PrefixBudget, settle
from seawall.verify.signature import Candidate, Refusal, Request, check, read
from seawall.verify.verdicts import VerdictTable

_WORST: Final = {Outcome.VERIFIED: 2, Outcome.IMPOSTOR: 1, Outcome.UNKNOWN: 0}


@dataclass(frozen=True, slots=True)
class Counts:
    """What the verifier did since it began; every number only grows, except `waiting`.

    Attributes:
        claims: taken from the board.
        claims_broken: torn or foreign entries of the board.
        claims_known: had a verdict, waited already, or were of a bot that DNS cannot prove.
        claims_limited: not looked up, because their network prefix asked too often.
        claims_dropped: not looked up, because too many waited, or came in one second.
        waiting: claims that wait or are being looked up.
        verified: look-ups with this outcome; `impostors` and `unknown` likewise.
        errors: what failed in an unforeseen way, and was passed over.
        dns_questions: sent to DNS.
        signatures_verified: signed requests with this outcome; the next two likewise.
        directory_fetches: key directories that were asked for.
        directory_failures: of those, in vain.
    """

    claims: int = 0
    claims_broken: int = 0
    claims_known: int = 0
    claims_limited: int = 0
    claims_dropped: int = 0
    waiting: int = 0
    verified: int = 0
    impostors: int = 0
    unknown: int = 0
    errors: int = 0
    dns_questions: int = 0
    signatures_verified: int = 0
    signatures_impostors: int = 0
    signatures_unknown: int = 0
    directory_fetches: int = 0
    directory_failures: int = 0


@dataclass(frozen=True, slots=True)
class SignatureAnswer:
    """What a signed request proves.

    Attributes:
        name: the bot's, or `-` when it is none of the catalogue.
        reason: a word in kebab case when it is unknown or an impostor.
    """

    outcome: Outcome
    name: str
    reason: str

    def text(self) -> str:
        """`verified NAME`, `impostor NAME` or `unknown NAME REASON`."""
        tail = f" {self.reason}" if self.outcome is Outcome.UNKNOWN else ""
        return f"{self.outcome} {self.name}{tail}"


class Verifier:
    """Looks up claims in the background and answers questions about signatures.

    Args:
        table: where verdicts go.
        board: where claims come from.
        lookups: asks DNS.
        directories: where keys of signers come from.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        table: VerdictTable,
        board: ClaimsBoard,
        lookups: Lookups,
        directories: Directories,
        clock: Clock,
    ) -> None:
        self._catalogue = catalogue
        self._table = table
        self._board = board
        self._lookups = lookups
        self._directories = directories
        self._clock = clock
        self._queue: asyncio.Queue[tuple[Address, Bot]] = asyncio.Queue()
        self._waiting: set[tuple[Address, int]] = set()
        self._budget = PrefixBudget()
        self._asked = 0
        self._second, self._this_second = 0, 0
        self._counted = dict.fromkeys(_COUNTED, 0)

    async def run(self) -> None:
        """Look up claims until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(limits.VERIFY_DNS_CONCURRENCY_MAX):
                tasks.create_task(self._work())
            while True:
                self._poll()
                await self._clock.sleep(limits.VERIFY_CLAIM_POLL_S)

    async def signature(self, request: Request) -> SignatureAnswer:
        """What the signatures of a request prove: the best of them counts."""
        if self._asked >= limits.SIGNATURE_QUESTIONS_MAX:
            answer = SignatureAnswer(Outcome.UNKNOWN, "-", "busy")
        else:
            self._asked += 1
            try:
                answer = await self._signature(request)
            except Exception:  # noqa: BLE001 - no request, however odd, may end the service
                self._counted["errors"] += 1
                answer = SignatureAnswer(Outcome.UNKNOWN, "-", "error")
            finally:
                self._asked -= 1
        self._counted[_SIGNATURES[answer.outcome]] += 1
        return answer

    def counts(self) -> Counts:
        """What was done so far."""
        return Counts(
            **self._counted,
            claims_broken=self._board.broken,
            waiting=len(self._waiting),
            dns_questions=self._lookups.asked,
            directory_fetches=self._directories.fetches,
            directory_failures=self._directories.failures,
        )

    async def _signature(self, request: Request) -> SignatureAnswer:
        found = read(request, now_s=self._clock.now_s())
        answers = [await self._checked(entry) for entry in found]
        if not answers:
            return SignatureAnswer(Outcome.UNKNOWN, "-", "no-signature")
        return max(answers, key=lambda answer: _WORST[answer.outcome])

    async def _checked(self, found: Candidate | Refusal) -> SignatureAnswer:
        if isinstance(found, Refusal):
            return SignatureAnswer(Outcome.UNKNOWN, "-", found.reason)
        bot = self._catalogue.by_directory.get(found.directory)
        name = "-" if bot is None else bot.name
        key = await self._directories.key(found.directory, found.keyid)
        if isinstance(key, NoKey):
            return SignatureAnswer(Outcome.UNKNOWN, name, key.reason)
        outcome, reason = check(found, key, now_s=self._clock.now_s())
        return SignatureAnswer(outcome, name, reason)

    def _poll(self) -> None:
        try:
            for claim in self._board.take():
                self._admit(claim)
        except Exception:  # noqa: BLE001 - whatever stands on the board, the next look is due
            self._counted["errors"] += 1

    def _admit(self, claim: Claim) -> None:
        """Let a claim wait for its look-up, or count why it does not."""
        self._counted["claims"] += 1
        bot = self._catalogue.by_number.get(claim.bot)
        key = (claim.address, claim.bot)
        now_s = self._clock.now_s()
        if bot is None or not bot.hosts or key in self._waiting:
            self._counted["claims_known"] += 1
            return
        verdict = self._table.get(claim.address, claim.bot, now_s=now_s)
        if verdict is not None and now_s < verdict.expires_s:
            self._counted["claims_known"] += 1
        elif len(self._waiting) >= limits.VERIFY_DNS_QUEUE_MAX or self._second_is_full():
            self._counted["claims_dropped"] += 1
        elif not self._budget.allows(prefix(claim.address), now_s=self._clock.monotonic_s()):
            self._counted["claims_limited"] += 1
        else:
            self._this_second += 1
            self._waiting.add(key)
            self._queue.put_nowait((claim.address, bot))

    def _second_is_full(self) -> bool:
        """Whether as many look-ups began in this second as may."""
        second = int(self._clock.monotonic_s())
        if second != self._second:
            self._second, self._this_second = second, 0
        return self._this_second >= limits.VERIFY_DNS_LOOKUPS_PER_S_MAX

    async def _work(self) -> None:
        while True:
            address, bot = await self._queue.get()
            try:
                await self._look_up(address, bot)
            except Exception:  # noqa: BLE001 - one odd answer must not end the look-ups
                self._counted["errors"] += 1
            finally:
                self._waiting.discard((address, bot.number))

    async def _look_up(self, address: Address, bot: Bot) -> None:
        found = await self._lookups.confirm(address, bot.hosts)
        self._counted[_OUTCOMES[found.outcome]] += 1
        now_s = self._clock.now_s()
        old = self._table.get(address, bot.number, now_s=now_s)
        self._table.put(address, bot.number, settle(old, found, now_s=now_s), now_s=now_s)


_OUTCOMES: Final = {
    Outcome.VERIFIED: "verified",
    Outcome.IMPOSTOR: "impostors",
    Outcome.UNKNOWN: "unknown",
}
_SIGNATURES: Final = {outcome: f"signatures_{name}" for outcome, name in _OUTCOMES.items()}
_COUNTED: Final = (
    "claims",
    "claims_known",
    "claims_limited",
    "claims_dropped",
    "errors",
    *_OUTCOMES.values(),
    *_SIGNATURES.values(),
)
