"""The `bots` of a site: what is done with automated clients."""

import re
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from seawall import limits
from seawall.model import BOT_WINDOWS_S, BotCategory
from seawall.site.schema.base import Section, one_or_many, short_form
from seawall.site.schema.values import (
    Checked,
    Flag,
    Name,
    Text,
    count,
    duration,
    one_of,
    refuse,
    shown,
    text,
)

MODES: Final = ("observe", "enforce", "off")
_LINE: Final = re.compile(r"[\x20-\x7e]{1,500}")
_SITEMAP: Final = re.compile(r"https?://[\x21-\x7e]{1,1000}")
_CLEARANCE: Final = duration("1m", "1d")
_SPAN: Final = duration("10s", "10m")

ChallengeLevel: TypeAlias = Annotated[int, count(1, 3)]


def _window(value: Any) -> int:
    seconds = int(_SPAN.check(value))
    if seconds not in BOT_WINDOWS_S:
        refuse("out-of-range", f"{shown(value)} is not counted.", "Use `10s`, `60s` or `10m`.")
    return seconds


class RateSection(Section):
    """A rate limit for one client."""

    requests: Annotated[int, count(1, 1_000_000)] = Field(description="Requests that are allowed.")
    per: Annotated[int, Checked(_window, "`10s` \\| `60s` \\| `10m`")] = Field(
        description="The window over which they are counted."
    )


class ChallengeActionSection(Section):
    """A challenge with its own level."""

    level: ChallengeLevel = Field(description="As in `challenge`.")


class ActionSection(Section):
    """An action with parameters. Exactly one key."""

    challenge: ChallengeActionSection | None = Field(
        default=None, description="Challenge at this level."
    )
    rate: RateSection | None = Field(
        default=None, description="Answer 429 to a client that exceeds this rate."
    )

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if len(self.model_fields_set) != 1:
            refuse(
                "contradictory-keys",
                "An action has exactly one of `challenge` and `rate`.",
                "Keep the one that is meant; make two rules for both.",
            )
        return self


class CategoryActionSection(Section):
    """An action with parameters, for a category."""

    limit: RateSection = Field(description="Answer 429 to a client that exceeds this rate.")


def _form(value: Any) -> str:
    return "word" if isinstance(value, str | bool | int | float) else "section"


def _mapping_or(expected: str) -> BeforeValidator:
    return short_form(lambda _: None, expected)


RuleAction: TypeAlias = Annotated[
    Annotated[
        Annotated[str, one_of("allow", "observe", "challenge", "block", "payment")], Tag("word")
    ]
    | Annotated[
        ActionSection, _mapping_or("`block`, or `{rate: {requests: 60, per: 60s}}`"), Tag("section")
    ],
    Discriminator(_form),
]
CategoryAction: TypeAlias = Annotated[
    Annotated[Annotated[str, one_of("allow", "block", "observe", "payment")], Tag("word")]
    | Annotated[
        CategoryActionSection,
        _mapping_or("`block`, or `{limit: {requests: 60, per: 60s}}`"),
        Tag("section"),
    ],
    Discriminator(_form),
]


class BotRuleSection(Section):
    """A rule. The first one that matches and decides wins."""

    name: Name = Field(description="Unique in the site. Records and messages use it.")
    when: Text | None = Field(
        default=None,
        description="Condition, such as `score <= 10` ([language](bot-policy.md#conditions)). "
        "Without one the rule always matches.",
    )
    action: RuleAction = Field(
        alias="do",
        description="`allow`, `observe` (record it and continue), `challenge`, `block`, "
        "`payment` (402), `{challenge: {level: 2}}` or `{rate: {requests: 60, per: 60s}}`.",
    )


def _line(value: Any) -> str:
    line = text(value)
    if not _LINE.fullmatch(line):
        refuse("wrong-type", f"{shown(line)} is not a line of ASCII.", "Write one line, in quotes.")
    return line


def _sitemap(value: Any) -> str:
    url = text(value)
    if not _SITEMAP.fullmatch(url):
        refuse("bad-url", f"{shown(url)} is not a URL.", "Write `https://HOST/sitemap.xml`.")
    return url


class RobotsSection(Section):
    """A robots.txt that states what `categories` do. Without it, the origin's is passed through."""

    sitemaps: Annotated[
        tuple[Annotated[str, Checked(_sitemap, "URL")], ...],
        Field(max_length=limits.ROBOTS_LINES_MAX),
        BeforeValidator(one_or_many),
    ] = Field(default=(), description="Sitemaps to list.")
    extra: Annotated[
        tuple[Annotated[str, Checked(_line, "line")], ...],
        Field(max_length=limits.ROBOTS_LINES_MAX),
        BeforeValidator(one_or_many),
    ] = Field(
        default=(),
        description="Lines for all bots, such as `Disallow: /cart`. They may start groups of "
        "their own.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        size = sum(len(line) + len("Sitemap: \n") for line in (*self.extra, *self.sitemaps))
        if size > limits.ROBOTS_WRITTEN_SIZE_BYTES_MAX:
            bound = f"at most {limits.ROBOTS_WRITTEN_SIZE_BYTES_MAX:,}"
            refuse(
                "too-many",
                f"`extra` and `sitemaps` take {size:,} bytes together; {bound} fit a robots.txt.",
                "Name one sitemap index instead of every sitemap, or serve the file by an origin.",
            )
        return self


def _contact(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    fits = text.lower().startswith(("mailto:", "https://")) and text.isprintable()
    if not fits or len(text) > limits.CHALLENGE_CONTACT_LENGTH_CHARS_MAX or " " in text:
        refuse(
            "bad-contact",
            f"{shown(value)} is no place to write to.",
            "Write `mailto:NAME@HOST` or `https://HOST/PATH`.",
        )
    return text


class ChallengeSection(Section):
    """How clients are challenged."""

    level: ChallengeLevel = Field(
        default=1,
        description="Lowest proof to accept: 1 a short wait, 2 proof of work, 3 proof of work in "
        "an ordinary browser.",
    )
    unavailable: Annotated[str, one_of("pass", "refuse")] = Field(
        default="pass",
        description="While the bot service is down: let through clients that would be "
        "challenged, or answer 403.",
    )
    clearance: Annotated[float, _CLEARANCE] = Field(
        default=float(limits.CLEARANCE_LIFETIME_S),
        description="How long a passed challenge is valid.",
    )
    ipv4_prefix: Annotated[int, count(8, 32)] = Field(
        default=24,
        description="A passed challenge is valid within the client's IPv4 network of this prefix "
        "length.",
    )
    ipv6_prefix: Annotated[int, count(32, 128)] = Field(
        default=48, description="The same for IPv6."
    )
    contact: Annotated[str, Checked(_contact, "address")] | None = Field(
        default=None,
        description="Contact for people who cannot pass, `mailto:` or `https:`. The page shows "
        "it beside a reference.",
    )


class BotsSection(Section):
    """What to do with automated clients. Short form: the mode."""

    mode: Annotated[str, one_of(*MODES)] = Field(
        default="observe",
        description="`observe` scores and records, and never blocks. `enforce` applies the "
        "rules. `off` examines nothing.",
    )
    rules: (
        Annotated[
            tuple[BotRuleSection, ...],
            Field(max_length=limits.BOT_RULES_MAX),
            BeforeValidator(one_or_many),
        ]
        | None
    ) = Field(
        default=None,
        description="Tried in order. Default: the [built-in rules](bot-policy.md#without-rules).",
    )
    categories: dict[Annotated[str, one_of(*(c.value for c in BotCategory))], CategoryAction] = (
        Field(
            default_factory=dict,
            description="Category of bots to `allow`, `block`, `observe`, `payment` (402) or "
            "`{limit: {requests: 60, per: 60s}}`. Tried after the rules.",
        )
    )
    robots: Annotated[
        RobotsSection | Literal[False],
        short_form(lambda v: {} if v is True else v if v is False else None, "`true` or a mapping"),
    ] = Field(default=False, description="Serve a robots.txt that matches `categories`.")
    challenge: ChallengeSection = Field(
        default=ChallengeSection.model_validate({}), description="How clients are challenged."
    )
    probe: Flag = Field(
        default=False,
        description="Serve `/.well-known/seawall/probe.js`, the [page probe](page-probe.md): a "
        "script that your pages include and that detects automated browsers.",
    )
    static: Annotated[str, one_of("skip", "score")] = Field(
        default="skip",
        description="Whether page assets (scripts, styles, images) are scored too.",
    )

    @model_validator(mode="after")
    def _probed_site_is_watched(self) -> Self:
        if self.probe and self.mode == "off":
            refuse(
                "contradictory-keys",
                "`probe` looks at browsers, and `mode: off` looks at nothing.",
                "Write `mode: observe`, or remove `probe`.",
                key="probe",
            )
        return self


Bots: TypeAlias = Annotated[
    BotsSection,
    short_form(
        lambda v: {"mode": v} if isinstance(v, str) else None,
        "`observe`, `enforce`, `off`, or a mapping with `mode`",
    ),
]
