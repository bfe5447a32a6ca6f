"""The `rollout` of the site file, and the `golden` requests of a site."""

import re
from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from seawall import limits
from seawall.site.schema.base import Section, one_or_many, short_form
from seawall.site.schema.network import (
    ChangedHeader,
    HeaderValue,
    Method,
    OneHost,
)
from seawall.site.schema.values import (
    Checked,
    Flag,
    check_name,
    count,
    duration,
    one_of,
    per_cent,
    refuse,
    shown,
    text,
)

_PERMILLE: Final = 1_000
_PATH: Final = re.compile(rf"/[\x21\x22\x24-\x7e]{{0,{limits.PATH_LENGTH_CHARS_MAX - 1}}}")
_SOAKS: Final = 2.0
"""Of a step whose deadline nobody wrote: room for requests that come later than others."""
_STEP_SHARE: Final = per_cent(0.1, 100)
_WAVE_SHARE: Final = per_cent(0.01, 100)


def _step_share(value: Any) -> float:
    share: float = _STEP_SHARE.check(value)
    if abs(share * _PERMILLE - round(share * _PERMILLE)) > 1e-6:  # noqa: PLR2004 - rounding noise
        refuse(
            "out-of-range",
            f"{shown(value)} is finer than connections are shared out.",
            "Write at most one digit after the point, such as `0.5%`.",
        )
    return share


class StepSection(Section):
    """One canary step on a node. Short form: its share."""

    share: Annotated[float, Checked(_step_share, "share", "0.1% to 100%")] = Field(
        description="Share of new connections that get the new release."
    )
    soak: Annotated[float, duration("0s", "1d")] = Field(
        default=limits.STEP_SOAK_S,
        description="Shortest duration of the step while there is traffic, however good the "
        "results are. If not written, at most the `deadline`.",
    )
    deadline: Annotated[float, duration("1s", "7d")] = Field(
        default=limits.STEP_DEADLINE_S,
        description="Longest wait for enough requests to judge by. After it, `without_traffic` "
        "decides. If not written, at least twice the `soak`.",
    )

    @property
    def soak_s(self) -> float:
        """Seconds: a default contradicts no deadline that was written."""
        return self.soak if "soak" in self.model_fields_set else min(self.soak, self.deadline)

    @property
    def deadline_s(self) -> float:
        """Seconds: a default contradicts no soak that was written."""
        least_s = 0.0 if "deadline" in self.model_fields_set else _SOAKS * self.soak_s
        return max(self.deadline, least_s)

    def __str__(self) -> str:
        return f"{self.share * 100:g}%"


def _step_of(value: Any) -> Any:
    return {"share": value} if isinstance(value, str) else None


_Step: TypeAlias = Annotated[
    StepSection, short_form(_step_of, "a share such as `10%`, or a mapping with `share`")
]


def _wave(value: Any) -> str:
    wave = text(value)
    if "%" in wave:
        _WAVE_SHARE.check(wave)
        return wave
    return check_name(wave)


class RolloutSection(Section):
    """How a release is rolled out, from the gate to last known good."""

    steps: Annotated[
        tuple[_Step, ...], Field(max_length=limits.ROLLOUT_STEPS_MAX), BeforeValidator(one_or_many)
    ] = Field(
        default=tuple(StepSection.model_validate({"share": s}) for s in ("1%", "10%", "50%")),
        description="Growing shares of connections for the canary on each node. `[]`: no steps; "
        "after the taster's check, all at once.",
    )
    waves: Annotated[
        tuple[Annotated[str, Checked(_wave, "share or name of a node group")], ...],
        Field(max_length=limits.ROLLOUT_WAVES_MAX),
        BeforeValidator(one_or_many),
    ] = Field(
        default=("canary", "10%", "100%"),
        description="Growing sets of nodes: shares of all nodes, or node groups. A group without "
        "nodes is skipped. The last wave is always all nodes, even if not written.",
    )
    bake: Annotated[float, duration("1s", "7d")] = Field(
        default=limits.BAKE_S,
        description="How long a release must run well on all nodes before it becomes last known "
        "good.",
    )
    taste_deadline: Annotated[float, duration("1s", "10m")] = Field(
        default=limits.TASTE_DEADLINE_S,
        description="Longest time for the candidate (the Envoy that runs the new release) to "
        "start and answer its golden requests.",
    )
    without_traffic: Annotated[str, one_of("probes", "hold")] = Field(
        default="probes",
        description="What happens when there are too few requests to judge by. `probes`: golden "
        "requests decide, and the release says so. `hold`: wait for a person.",
    )
    baseline: Flag = Field(
        default=True,
        description="For a fairer comparison, also start a fresh Envoy on the current release, "
        "with the candidate's share of connections. Not started when golden requests decide.",
    )


# --- Golden requests ------------------------------------------------------------------------------


def _golden_path(value: Any) -> str:
    path = text(value)
    if not _PATH.fullmatch(path) or path.startswith("//"):
        remedy = "Begin with one `/`; a query may follow, a `#` may not."
        refuse("bad-path", f"{shown(path)} is not the path of a request.", remedy)
    return path


def _expected_text(value: Any) -> str:
    expected = text(value)
    if len(expected) > limits.GOLDEN_TEXT_LENGTH_CHARS_MAX:
        bound = f"At most {limits.GOLDEN_TEXT_LENGTH_CHARS_MAX:,} characters."
        refuse("too-many", "The expected text is too long.", f"{bound} Write a telling part of it.")
    return expected


class GoldenSection(Section):
    """A request whose response proves that the site works. Short form: its path."""

    path: Annotated[str, Checked(_golden_path, "path, with or without query")] = Field(
        description="The path to request."
    )
    host: OneHost | None = Field(
        default=None,
        description="Host to request. Default: the site's first host name without `*`; failing "
        "that its first IP address; `localhost` if the site takes every name.",
    )
    method: Method = Field(default="GET", description="`GET`, `HEAD` or `OPTIONS`.")
    https: Flag | None = Field(
        default=None,
        description="Use https. Default: yes if the site redirects to https or is served over "
        "https only.",
    )
    headers: Annotated[
        dict[ChangedHeader, HeaderValue], Field(max_length=limits.GOLDEN_HEADERS_MAX)
    ] = Field(default_factory=dict, description="Request headers. Do not put credentials here.")
    status: Annotated[
        tuple[Annotated[int, count(200, 599)], ...],
        Field(max_length=limits.GOLDEN_STATUSES_MAX),
        BeforeValidator(one_or_many),
    ] = Field(
        default=(),
        description="Accepted statuses. Default: the status that the previous release returns.",
    )
    contains: Annotated[str, Checked(_expected_text, "text")] | None = Field(
        default=None, description="Text that must occur near the start of the response body."
    )

    @model_validator(mode="after")
    def _has_body(self) -> Self:
        if self.contains is not None and self.method == "HEAD":
            refuse(
                "contradictory-keys",
                "An answer to `HEAD` has no body that could contain something.",
                "Use `GET`, or remove `contains`.",
                key="contains",
            )
        return self


def _golden_of(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else None


GoldenEntry: TypeAlias = Annotated[
    GoldenSection, short_form(_golden_of, "a path such as `/health`, or a mapping with `path`")
]
GoldenList: TypeAlias = Annotated[
    tuple[GoldenEntry, ...],
    Field(max_length=limits.GOLDEN_PER_SITE_MAX),
    BeforeValidator(one_or_many),
]
