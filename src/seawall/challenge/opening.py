"""Opens a challenge: the page that a visitor gets instead of the one asked for."""

from dataclasses import dataclass

from seawall.challenge.assets import Assets
from seawall.challenge.desk import Client, Counter
from seawall.challenge.forms import Kept, NotKept, is_same_origin, keep
from seawall.challenge.ladder import fallback_s, wait_s
from seawall.challenge.language import choose
from seawall.challenge.page import PLACE, Kind, Page, headers, render
from seawall.challenge.reply import Event, Reply
from seawall.challenge.signed import (
    Challenge,
    reference_of,
    safe_path,
    safe_reference,
    write_challenge,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that is to be challenged.

    Attributes:
        path: path and query.
        wanted: level to reach, 1 to 3.
        origin: the Origin header; empty when there was none.
        fetch_site: the Sec-Fetch-Site header; empty when there was none.
        body: None when it was too large to look at.
    """

    client: Client
    method: str
    path: str
    wanted: int
    request_id: str
    content_type: str = ""
    origin: str = ""
    fetch_site: str = ""
    body: bytes | None = b""


def open_challenge(counter: Counter, asked: Asked, assets: Assets) -> Reply:
    """The challenge page, or, for a visitor who goes in circles, the way to a person."""
    nonce = counter.challenge_nonce()
    body = _kept(asked)
    challenge = Challenge(
        issued_s=int(counter.now_s),
        wanted=asked.wanted,
        resend=isinstance(body, Kept),
        lost=isinstance(body, NotKept),
        reference=safe_reference(asked.request_id, nonce),
        nonce=nonce,
        path=safe_path(asked.path),
    )
    echo = counter.echo()
    if counter.cleared_level() >= asked.wanted:
        # Envoy refuses what we would accept, for example while a release with other keys or another
        # epoch is on its way. Each meeting counts, so that it cannot go on for ever.
        echo = counter.counted(echo)
    if counter.loops(echo):
        counter.report(Event.FAILED, challenge, "loop", asked.wanted)
        return notice(counter, challenge, Kind.HUMAN, lost=body is not None)
    text = write_challenge(challenge, counter.policy.keys, counter.client.bound)
    page = checking(counter, challenge, text, body, assets)
    counter.report(Event.ASKED, challenge, "asked", asked.wanted)
    cookie = ("set-cookie", counter.echo_cookie(echo))
    sent = b"" if asked.method == "HEAD" else render(page)
    return Reply(403, (*headers(page), cookie), sent)


def checking(
    counter: Counter,
    challenge: Challenge,
    text: str,
    body: Kept | NotKept | None,
    assets: Assets,
) -> Page:
    """The page with its script, and with the way without."""
    refresh = way_without_scripts(challenge, text)
    waits = wait_s(challenge.wanted) or 0
    return Page(
        kind=Kind.CHECK,
        language=choose(counter.client.language),
        style=f"{PLACE}style.css?c={challenge.nonce}",
        csp_nonce=counter.tools.nonce(),
        reference=challenge.reference,
        contact=counter.policy.contact,
        to=reference_of(challenge.path),
        refresh=refresh,
        wait_s=waits,
        fallback_s=fallback_s(challenge.wanted),
        kept=body if isinstance(body, Kept) else None,
        lost=isinstance(body, NotKept),
        script={
            "challenge": text,
            "to": reference_of(challenge.path),
            "refresh": refresh or "",
            "wait": str(waits),
            "solve": f"{PLACE}solve",
            "worker": assets.url("worker.js"),
            "library": assets.url("argon2.umd.min.js"),
            "lost": ("own" if body.own else "foreign") if isinstance(body, NotKept) else "",
        },
        script_url=assets.url("script.js"),
    )


def notice(
    counter: Counter,
    challenge: Challenge | None,
    kind: Kind,
    *,
    lost: bool = False,
    refresh: str | None = None,
    wait_s: int = 0,
    kept: Kept | None = None,
    cookies: tuple[str, ...] = (),
    request_id: str = "",
) -> Reply:
    """A page without script. An unknown challenge leads to the start page: its path is not ours.

    `request_id`: of this request, which is the reference where the challenge tells none.
    """
    nonce = counter.tools.nonce()
    page = Page(
        kind=kind,
        language=choose(counter.client.language),
        style=f"{PLACE}style.css?c={nonce}",
        csp_nonce=nonce,
        reference=challenge.reference if challenge else safe_reference(request_id, nonce),
        contact=counter.policy.contact,
        to=reference_of(challenge.path) if challenge else "/",
        refresh=refresh,
        wait_s=wait_s,
        kept=kept,
        lost=lost,
    )
    set_cookies = [("set-cookie", cookie) for cookie in cookies]
    return Reply(403, (*headers(page), *set_cookies), render(page))


def way_without_scripts(challenge: Challenge, text: str) -> str | None:
    """URL of the way without scripts; None when it does not reach the level."""
    return None if wait_s(challenge.wanted) is None else f"{PLACE}refresh?c={text}"


def _kept(asked: Asked) -> Kept | NotKept | None:
    own = is_same_origin(asked.origin, asked.fetch_site, asked.client.host, asked.client.scheme)
    if asked.body is None:
        return None if asked.method in {"GET", "HEAD"} else NotKept(own)
    return keep(asked.method, asked.content_type, asked.body, same_origin=own)
