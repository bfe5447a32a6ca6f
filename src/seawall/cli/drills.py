"""`drill list|run`: famous outages, replayed on a private fleet on this machine."""

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from seawall.clock import SystemClock
from seawall.console.output import Output, joined, styled, tick
from seawall.console.releases import plain_table
from seawall.drill.account import Account
from seawall.drill.outages import ALL
from seawall.drill.page import require_page, seconds, write_page
from seawall.drill.result import Guarded, Result, Summary, to_json
from seawall.drill.run import run_guarded, run_naive
from seawall.drill.scene import Drill, Protection
from seawall.errors import UsageError
from seawall.exit_codes import DONE, REFUSED

if TYPE_CHECKING:
    from rich.console import RenderableType

EVERY = "all"


def list_all(output: Output) -> int:
    """Name the drills."""
    if output.json_format:
        output.write_json(
            {
                "drills": [
                    {
                        "name": drill.name,
                        "outage": drill.outage,
                        "title": drill.title,
                        "story": drill.story,
                        "protections": [protection.value for protection in drill.protections],
                    }
                    for drill in ALL
                ]
            }
        )
        return DONE
    table = plain_table("drill", "outage", "what happens", "held by")
    for drill in ALL:
        held = ", ".join(protection.value for protection in drill.protections)
        table.add_row(
            *(styled(drill.name, "bold"), styled(drill.outage), styled(drill.title)),
            styled(held, "dim"),
        )
    output.show(table)
    return DONE


def run(output: Output, name: str, off: list[str], page: Path | None, *, with_naive: bool) -> int:
    """Run one drill, or all of them; 1 when one of them fails.

    Raises:
        UsageError: there is no such drill or protection, or the page cannot be written.
    """
    switched_off = frozenset(_protection(protection) for protection in off)
    chosen = _drills(name)
    if page is not None:
        require_page(page)
    results = []
    for drill in chosen:
        output.show_aside(styled(f"{drill.name}: {drill.outage} ...", "dim"))
        try:
            with tempfile.TemporaryDirectory(prefix="seawall-drill-") as home:
                results.append(
                    asyncio.run(_both(drill, Path(home), switched_off, with_naive=with_naive))
                )
        except KeyboardInterrupt:
            if results and not output.json_format:
                output.show(*_shown(output, Summary(results)))
            _interrupted(output, drill)
            raise
    summary = Summary(results)
    if page is not None:
        write_page(page, summary)
    if output.json_format:
        output.write_json(to_json(summary))
    else:
        output.show(*_shown(output, summary))
    return DONE if summary.passed else REFUSED


def _interrupted(output: Output, drill: Drill) -> None:
    """It ends with the code of a drill that failed: say that this one did not."""
    output.error(
        f"Interrupted in {drill.name}: no result. Everything that it started has been stopped.",
        code="interrupted",
        do=f"Run it again: seawall drill run {drill.name}",
    )


async def _both(
    drill: Drill, home: Path, off: frozenset[Protection], *, with_naive: bool
) -> Result:
    clock = SystemClock()
    guarded = await run_guarded(drill, home / "guarded", clock, off=off)
    naive = await run_naive(drill, home / "naive", clock) if with_naive else None
    return Result(drill.name, drill.outage, drill.title, guarded, naive)


def _drills(name: str) -> tuple[Drill, ...]:
    found = tuple(drill for drill in ALL if name in (EVERY, drill.name))
    if not found:
        raise UsageError(
            "drill-unknown",
            f"There is no drill named {name!r}.",
            remedy="See `seawall drill list`.",
        )
    return found


def _protection(name: str) -> Protection:
    try:
        return Protection(name)
    except ValueError as error:
        known = ", ".join(protection.value for protection in Protection)
        raise UsageError(
            "protection-unknown",
            f"There is no protection named {name!r}.",
            remedy=f"There are: {known}.",
        ) from error


def _shown(output: Output, summary: Summary) -> "list[RenderableType]":
    table = plain_table(
        *("", "drill", "way", "nodes", "met it", "failed", "of", "detected", "over"),
        *("people", "held by"),
    )
    for result in summary.results:
        guarded = result.guarded
        table.add_row(
            tick(output.out, good=result.passed),
            styled(result.name, "bold"),
            styled("Seawall"),
            *_cells(guarded.account),
            styled(guarded.held_by or "nothing", "" if guarded.held_by else "bold red"),
        )
        if result.naive is not None:
            table.add_row("", "", styled("naive"), *_cells(result.naive), "")
    parts: list[RenderableType] = [table]
    for result in summary.results:
        if result.guarded.stable_failed:
            words = f"{result.name}: {result.guarded.stable_failed} failures on stable slots."
            parts.append(styled(words, "red"))
        if result.guarded.held_by and result.guarded.got_past:
            words = f"{result.name}: the fault got past {result.guarded.got_past}."
            parts.append(styled(words, "red"))
        for release in result.guarded.in_force:
            words = f"{result.name}: every node took {release}, which has the fault."
            parts.append(styled(words, "red"))
        parts += _of_scores(result.name, result.guarded)
    share = summary.failed_share_of_naive
    if share is not None:
        text = f"Together, failed requests are {share:.3%} of those in the naive way."
        parts.append(joined(styled(text)))
    return parts


def _of_scores(name: str, guarded: Guarded) -> "list[RenderableType]":
    """What a drill has to tell besides: how it was run, its alarms, and scores that changed."""
    told = [*guarded.notes]
    if guarded.alarms_s:
        slowest = f"the slowest {max(guarded.alarms_s):.2f} s after its push"
        told.append(f"Bad files with an alarm: {len(guarded.alarms_s)}, {slowest}.")
    parts: list[RenderableType] = [styled(f"{name}: {text}", "dim") for text in told]
    if len(guarded.scores) > 1:
        words = f"{name}: one client was given several scores: {', '.join(guarded.scores)}."
        parts.append(styled(words, "red"))
    return parts


def _cells(account: Account) -> "list[RenderableType]":
    return [
        styled(f"{account.exposed_nodes} of {account.nodes}"),
        styled(str(account.exposed_requests)),
        styled(str(account.failed)),
        styled(str(account.requests)),
        styled(seconds(account.detect_s)),
        styled(seconds(account.revert_s if account.exposed_requests else None)),
        styled(str(account.human_actions)),
    ]
