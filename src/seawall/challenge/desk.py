"""The challenge service without its HTTP: opens challenges and grants clearances.

There is one place that mints, `Counter.grant`, and it is the last step of every way there: whatever
goes wrong before it raises, and an exception never carries a clearance. A challenge is used up
before the token is made, so a fault costs the visitor a new challenge and never grants twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from seawall.challenge.binding import NONCE_SIZE_BYTES, Bound, b64
from seawall.challenge.cookies import Jar, values
from seawall.challenge.ladder import Rung, is_loop, is_recent
from seawall.challenge.policy import ChallengePolicy
from seawall.challenge.pool import Allowance, Kernels
from seawall.challenge.reply import Event, Observer, Outcome
from seawall.challenge.signed import Challenge, Echo, read_challenge, read_echo, write_echo
from seawall.challenge.spent import Spending, SpentSet
from seawall.challenge.token import Clearance, check, mint
from seawall.clock import Clock
from seawall.limits import (
    CHALLENGE_ECHO_LIFETIME_S,
    CHALLENGE_LIFETIME_NO_SCRIPT_S,
    CLEARANCE_CLOCK_SKEW_S,
)

_MARK_SIZE_BYTES: Final = 6
"""No two processes have one mark; a whole number of characters in base64."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, as Envoy says it.

    Attributes:
        host: the authority, with its port.
        cookies: the Cookie header.
        language: the Accept-Language header.
    """

    bound: Bound
    host: str
    scheme: str
    cookies: str = ""
    language: str = ""

    @property
    def jar(self) -> Jar:
        """The cookies' names over this scheme."""
        return Jar(secure=self.scheme == "https")


@dataclass(frozen=True, slots=True)
class Tools:
    """What the service is given.

    Attributes:
        random_bytes: unpredictable bytes, as `os.urandom`.
        policy_of: the policy of a host (in lower case, without port); None when it has none.
        observer: hears of each decision.
    """

    clock: Clock
    random_bytes: Callable[[int], bytes]
    policy_of: Callable[[str], ChallengePolicy | None]
    kernels: Kernels
    spent: SpentSet
    allowance: Allowance
    observer: Observer = lambda _: None

    def nonce(self) -> str:
        """96 fresh random bits as text."""
        return b64(self.random_bytes(NONCE_SIZE_BYTES))


@dataclass(frozen=True, slots=True)
class Counter:
    """One client at the desk: what is known of it, and the one way to a clearance.

    Attributes:
        mark: what the nonces of this process's challenges begin with.
    """

    tools: Tools
    client: Client
    policy: ChallengePolicy
    now_s: float
    mark: str

    def challenge_nonce(self) -> str:
        """A nonce of a challenge that this process will know again."""
        return self.mark + b64(self.tools.random_bytes(NONCE_SIZE_BYTES - _MARK_SIZE_BYTES))

    def challenge(self, text: str, lifetime_s: float) -> Challenge | None:
        """The challenge if it is ours, for this client, fresh, and made by this process.

        One that an earlier process made may have been used: the spent set died with it. No time
        tells which those are, since the clock may have been set.
        """
        found = self.authentic(text)
        if found is None or not found.nonce.startswith(self.mark):
            return None
        return found if found.age_s(self.now_s) <= lifetime_s else None

    def authentic(self, text: str) -> Challenge | None:
        """The challenge if it is ours and for this client, however old: good for its path only."""
        return read_challenge(text, self.policy.keys, self.client.bound, now_s=self.now_s)

    def cleared_level(self) -> int:
        """Level of the clearance that the client has already; 0 without one."""
        for text in values(self.client.cookies, self.client.jar.clearance):
            found = check(
                text,
                self.policy.keys,
                self.client.bound,
                epoch=self.policy.epoch,
                now_s=self.now_s,
            )
            if isinstance(found, Clearance):
                return found.level
        return 0

    def echo(self) -> Echo | None:
        """The echo, when cookies of this client come back."""
        for text in values(self.client.cookies, self.client.jar.echo):
            found = read_echo(text, self.policy.keys, self.client.bound)
            if found and self.now_s - found.issued_s <= CHALLENGE_ECHO_LIFETIME_S:
                return found
        return None

    def echo_cookie(self, echo: Echo | None) -> str:
        """`Set-Cookie` for a fresh echo that keeps the count of passes."""
        kept = replace(echo or Echo(0), issued_s=int(self.now_s))
        return self.client.jar.set_echo(write_echo(kept, self.policy.keys, self.client.bound))

    def counted(self, echo: Echo | None) -> Echo:
        """The echo with one more pass."""
        before = echo or Echo(int(self.now_s))
        recent = is_recent(before.last_pass_s, self.now_s)
        return replace(
            before, passes=before.passes + 1 if recent else 1, last_pass_s=int(self.now_s)
        )

    def loops(self, echo: Echo | None) -> bool:
        """Whether the client passes again and again."""
        return echo is not None and is_loop(echo.passes, echo.last_pass_s, self.now_s)

    def grant(
        self, challenge: Challenge, rung: Rung, level: int, probes: int | None
    ) -> tuple[str, ...] | Spending:
        """Use the challenge up and mint: the cookies, or why there are none."""
        ends_s = challenge.issued_s + CHALLENGE_LIFETIME_NO_SCRIPT_S + CLEARANCE_CLOCK_SKEW_S
        spending = self.tools.spent.spend(
            challenge.nonce, self.client.bound.prefix, expires_s=ends_s, now_s=self.now_s
        )
        if spending is not Spending.FIRST:
            return spending
        token = mint(
            self.policy.keys,
            self.client.bound,
            level=level,
            epoch=self.policy.epoch,
            now_s=self.now_s,
            lifetime_s=self.policy.lifetime_s,
            nonce=self.tools.nonce(),
            probes=probes,
        )
        cookies = (
            self.client.jar.set_clearance(token, self.policy.lifetime_s),
            self.echo_cookie(self.counted(self.echo())),
        )
        self.report(Event.PASSED, challenge, rung.value, level, probes)
        return cookies

    def report(
        self,
        event: Event,
        challenge: Challenge | None,
        why: str,
        level: int,
        probes: int | None = None,
    ) -> None:
        """Tell the observer."""
        self.tools.observer(
            Outcome(
                event=event,
                host=self.client.host,
                reference=challenge.reference if challenge else "",
                why=why,
                level=level,
                probes=probes,
            )
        )


class Desk:
    """The service: one for a process, since used challenges are remembered in it."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self._mark = b64(tools.random_bytes(_MARK_SIZE_BYTES))

    def counter(self, client: Client) -> Counter | None:
        """What serves `client`; None for a host without a policy."""
        policy = self.tools.policy_of(client.bound.host)
        if policy is None:
            return None
        return Counter(self.tools, client, policy, self.tools.clock.now_s(), self._mark)
