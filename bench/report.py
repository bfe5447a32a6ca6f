"""The figures as text for a terminal, Markdown for docs/performance.md, and JSON for programs."""

import json
import os
import platform
from dataclasses import asdict, dataclass

from bench.cpu import Cost
from bench.instructions import Count
from bench.load import BROWSER
from bench.size import Size

MIB = 1024 * 1024
PROTOCOLS = {
    "h1": "HTTP/1.1 keep-alive",
    BROWSER: "HTTP/1.1 keep-alive with a browser's headers",
    "h2": "HTTP/2 over TLS",
}
NAMES = {
    "seawall": "Seawall without bots",
    "seawall-scores": "Seawall, scoring (a new site)",
    "seawall-bots": "Seawall, scoring, with the default rules",
    "seawall-all": "without bots, every request recorded",
    "envoy": "Envoy, bare",
    "nginx": "nginx",
    "haproxy": "HAProxy",
}


@dataclass(frozen=True)
class Goal:
    """A figure with what it should be at most."""

    what: str
    value: float
    most: float
    unit: str

    @property
    def reached(self) -> bool:
        """Whether the figure is within the goal."""
        return self.value <= self.most


def goals(costs: list[Cost], size: Size | None) -> list[Goal]:
    """The promises of the README, each with what was measured."""
    found = [
        Goal("CPU per request, edge without bots to bare Envoy, HTTP/1.1", cost.ratio, 1.15, "x")
        for cost in costs
        if (cost.target, cost.protocol) == ("seawall", "h1")
    ]
    for cost in costs:
        if cost.protocol != BROWSER or cost.bots_us is None:
            continue
        if cost.target == "seawall-scores":
            found.append(
                Goal("Signals, windows and score of a browser's request", cost.bots_us, 12, "µs")
            )
        else:
            found.append(Goal("Whole protected edge to bare Envoy, HTTP/1.1", cost.ratio, 1.5, "x"))
    if size is not None:
        found += [
            Goal("Compile 1,000 sites of 5 routes", size.compile_s, 1, "s"),
            Goal("A one-route change at that size, command to served", size.apply_s, 1, "s"),
            Goal(
                "Agent and control together at that size",
                (size.agent_bytes + size.control_bytes) / MIB,
                150,
                "MiB",
            ),
            Goal("`seawall up` to the first served request", size.up_small_s, 3, "s"),
        ]
    return found


def markdown(costs: list[Cost], size: Size | None, counted: list[Count]) -> str:
    """Tables in Markdown; they read well in a terminal too."""
    lines = [f"Measured on {_machine()}.", ""]
    if reached := goals(costs, size):
        lines += ["| goal | measured | at most | |", "|---|---|---|---|"]
        lines += [
            f"| {goal.what} | {_figure(goal.value)} {goal.unit} | {_figure(goal.most)} {goal.unit} "
            f"| {'reached' if goal.reached else '**missed**'} |"
            for goal in reached
        ]
    for protocol, title in PROTOCOLS.items():
        of_protocol = [cost for cost in costs if cost.protocol == protocol]
        if of_protocol:
            lines += ["", f"{title}, 1 KiB, one worker:", ""]
            lines += ["| | CPU per request | to bare Envoy | rounds | memory |"]
            lines += ["|---|---|---|---|---|"]
            lines += [
                f"| {NAMES[cost.target]} | {cost.cpu_us:.1f} µs | {cost.ratio:.2f} "
                f"| {cost.ratio_min:.2f} to {cost.ratio_max:.2f} "
                f"| {cost.memory_bytes / MIB:.0f} MiB |"
                for cost in of_protocol
            ]
    for protocol, title in PROTOCOLS.items():
        lines += _counted([count for count in counted if count.protocol == protocol], title)
    if size is not None:
        lines += ["", "1,000 sites of 5 routes, each with its own origin:", ""]
        lines += ["| | |", "|---|---|"]
        lines += [f"| {what} | {value} |" for what, value in _size_rows(size)]
    return "\n".join(lines) + "\n"


def into_page(page: str, tables: str) -> str:
    """`page` with `tables` between its two marks."""
    head, begin, rest = page.partition("<!-- bench begin -->")
    _, end, tail = rest.partition("<!-- bench end -->")
    if not (begin and end):
        raise SystemExit("The page has no marks to put the tables between.")
    return f"{head}{begin}\n{tables}{end}{tail}"


def as_json(costs: list[Cost], size: Size | None, counted: list[Count]) -> str:
    """The same as one JSON object."""
    return json.dumps(
        {
            "machine": _machine(),
            "goals": [{**asdict(goal), "reached": goal.reached} for goal in goals(costs, size)],
            "costs": [asdict(cost) for cost in costs],
            "instructions": [asdict(count) for count in counted],
            "size": asdict(size) if size is not None else None,
        },
        indent=2,
    )


def _counted(counted: list[Count], title: str) -> list[str]:
    if not counted:
        return []
    return [
        *("", f"{title}, 1 KiB, not recorded, instructions in user space:", ""),
        "| | for each request | lives | to bare Envoy | for bots |",
        "|---|---|---|---|---|",
        *(
            f"| {NAMES[count.target]} | {count.instructions:,} | {count.least:,} to {count.most:,} "
            f"| {count.ratio:.3f} | {'' if count.bots is None else f'{count.bots:,}'} |"
            for count in counted
        ),
    ]


def _size_rows(size: Size) -> list[tuple[str, str]]:
    return [
        ("site file to model", f"{size.load_s:.2f} s"),
        ("model to checked Envoy resources", f"{size.compile_s:.2f} s"),
        ("`seawall up` to the first served request", f"{size.up_large_s:.2f} s"),
        ("`seawall apply` of a one-route change until served", f"{size.apply_s:.2f} s"),
        ("the same past the canary (`--break-glass`)", f"{size.break_glass_s:.2f} s"),
        ("memory of the node agent", f"{size.agent_bytes / MIB:.0f} MiB"),
        ("memory of control", f"{size.control_bytes / MIB:.0f} MiB"),
        ("memory of Envoy", f"{size.envoy_bytes / MIB:.0f} MiB"),
    ]


def _figure(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _machine() -> str:

    return f"{os.cpu_count()} CPUs, {platform.system()}, Python {platform.python_version()}"
