"""The pages a visitor sees: small, without third parties, and whole without scripts or colour.

Everything that comes from a visitor or an operator is escaped here and nowhere else. All pages
answer 403 and are stored nowhere, so neither a search engine nor a cache takes one for the page
that was asked for.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from seawall.challenge.forms import Kept
from seawall.challenge.language import direction, words

PLACE: Final = "/.well-known/seawall/challenge/"
"""Where the public parts of the service are on every site."""

_CHECK_WORDS: Final = {
    "checking": "checking",
    "working": "working",
    "busy": "busy",
    "done": "done",
    "passed": "passed",
    "continue": "continue",
    "cookies": "cookies",
    "human": "human",
    "form": "noscript_form",
    "cookies-heading": "cookies_heading",
    "human-heading": "human_heading",
}


class Kind(StrEnum):
    """What a page is for."""

    CHECK = "check"
    EARLY = "early"
    EXPIRED = "expired"
    COOKIES = "cookies"
    HUMAN = "human"
    PASSED = "passed"


_HEADINGS: Final[Mapping[Kind, str]] = {
    Kind.CHECK: "heading",
    Kind.EARLY: "heading",
    Kind.EXPIRED: "heading",
    Kind.COOKIES: "cookies_heading",
    Kind.HUMAN: "human_heading",
    Kind.PASSED: "passed",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What one page says and offers.

    Attributes:
        language: one of `language.LANGUAGES`.
        style: URL of the style sheet.
        csp_nonce: fresh for each page.
        reference: what a visitor tells the operator.
        contact: `mailto:` or `https:` address of the operator; empty when none is known.
        to: relative URL of the page asked for.
        refresh: relative URL of the way without scripts; None when there is none.
        wait_s: seconds until that way is open.
        fallback_s: seconds after which the browser takes that way by itself, scripts or not.
        kept: the form to send again.
        lost: there was a body that cannot be sent again.
        script: `data-` attributes for the script; empty on pages without one.
        script_url: the script.
    """

    kind: Kind
    language: str
    style: str
    csp_nonce: str
    reference: str
    contact: str
    to: str
    refresh: str | None = None
    wait_s: int = 0
    fallback_s: int | None = None
    kept: Kept | None = None
    lost: bool = False
    script: Mapping[str, str] = field(default_factory=dict)
    script_url: str = ""


def render(page: Page) -> bytes:
    """The page as UTF-8."""
    say = words()[page.language]
    parts = [
        "<!doctype html>",
        f'<html lang="{page.language}" dir="{direction(page.language)}"><head>',
        '<meta charset="utf-8"><meta name="robots" content="noindex">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(say['title'])}</title>",
        f'<link rel="stylesheet" href="{_text(page.style)}" nonce="{page.csp_nonce}">',
        _meta_refresh(page),
        "</head><body>",
        f'<main id="seawall"{_data(page, say)}>',
        f'<h1 id="heading">{_text(say[_HEADINGS[page.kind]])}</h1>',
        *_body(page, say),
        _footer(page, say),
        "</main>",
    ]
    if page.script:
        parts.append(f'<script nonce="{page.csp_nonce}" src="{_text(page.script_url)}"></script>')
    parts.append("</body></html>\n")
    return "\n".join(part for part in parts if part).encode("utf-8", "replace")


def headers(page: Page) -> list[tuple[str, str]]:
    """The headers of a page, without cookies."""
    # Chromium checks `form-action` against redirects too, and a site's form may lead elsewhere.
    form_action = "" if page.kept is not None else "; form-action 'self'"
    policy = (
        f"default-src 'none'; script-src 'nonce-{page.csp_nonce}' 'wasm-unsafe-eval'; "
        f"style-src 'nonce-{page.csp_nonce}'; connect-src 'self'; worker-src 'self'; "
        f"base-uri 'none'; frame-ancestors 'self'{form_action}"
    )
    found = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-language", page.language),
        ("cache-control", "no-store"),
        ("x-robots-tag", "noindex"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("content-security-policy", policy),
    ]
    if page.fallback_s is not None and page.refresh is not None and page.kept is None:
        found.append(("refresh", f"{page.fallback_s};url={page.refresh}"))
    return found


def _meta_refresh(page: Page) -> str:
    if page.refresh is None or page.kept is not None or page.kind not in {Kind.CHECK, Kind.EARLY}:
        return ""
    meta = f'<meta http-equiv="refresh" content="{page.wait_s};url={_text(page.refresh)}">'
    return f"<noscript>{meta}</noscript>" if page.script else meta


def _data(page: Page, say: Mapping[str, str]) -> str:
    if not page.script:
        return ""
    spoken = {f"w{name}": say[key] for name, key in _CHECK_WORDS.items()}
    return "".join(
        f' data-{name}="{_text(value)}"' for name, value in {**page.script, **spoken}.items()
    )


def _body(page: Page, say: Mapping[str, str]) -> list[str]:
    status = '<p id="status" role="status" aria-live="polite">{}</p>'
    lost = [f'<p id="lost">{_text(say["lost"])}</p>'] if page.lost else []
    match page.kind:
        case Kind.CHECK:
            return [
                f'<p id="why">{_text(say["why"])}</p>',
                status.format(""),
                *lost,
                f"<noscript><p>{_text(say[_without_scripts(page)])}</p></noscript>",
                *_way_on(page, say),
                f'<p id="retry" hidden>{_anchor(page.to, say["again"])}</p>',
            ]
        case Kind.EARLY:
            return [status.format(_text(say["early"])), *lost, *_way_on(page, say)]
        case Kind.PASSED:
            return [
                status.format(_text(say["lost"])),
                f"<p>{_anchor(page.to, say['continue'])}</p>",
            ]
        case Kind.EXPIRED | Kind.COOKIES | Kind.HUMAN:
            said = _text(say[page.kind.value])
            return [status.format(said), *lost, f"<p>{_anchor(page.to, say['again'])}</p>"]


def _without_scripts(page: Page) -> str:
    if page.refresh is None:
        return "scripts"
    return "noscript" if page.kept is None else "noscript_form"


def _way_on(page: Page, say: Mapping[str, str]) -> list[str]:
    """The link or button that leads on without scripts; always there, for everybody."""
    if page.refresh is None and page.kept is None:
        return []
    stuck = _text(say["stuck"])
    if page.kept is None:
        return [f'<p id="onward">{stuck} {_anchor(page.refresh or page.to, say["continue"])}</p>']
    fields = "".join(
        f'<input type="hidden" name="{_text(name)}" value="{_text(value)}">'
        for name, value in page.kept.fields
    )
    # Without the way round, the form is there for the script alone.
    button = f"<p>{stuck} <button>{_text(say['continue'])}</button></p>"
    form = f'<form id="resend" method="post" action="{_text(page.refresh or page.to)}">'
    return [form, fields, button if page.refresh is not None else "", "</form>"]


def _footer(page: Page, say: Mapping[str, str]) -> str:
    reference = f"<p>{_text(say['reference'])} <bdi><code>{_text(page.reference)}</code></bdi></p>"
    contact = f"<p>{_anchor(page.contact, say['contact'])}</p>" if page.contact else ""
    return f"<footer>{reference}{contact}</footer>"


def _anchor(to: str, word: str) -> str:
    return f'<a href="{_text(to)}">{_text(word)}</a>'


def _text(value: str) -> str:
    """Escaped for text and quoted attributes; line ends survive an attribute as references."""
    return html.escape(value, quote=True).replace("\r", "&#13;").replace("\n", "&#10;")
