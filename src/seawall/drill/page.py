"""The table of docs/drills.md: what every drill cost, in both arms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from seawall.drill.account import Account
from seawall.drill.outages import ALL
from seawall.drill.result import Result, Summary
from seawall.errors import UsageError

_DRILLS: Final = "drills"
_STORIES: Final = "stories"


def require_page(path: Path) -> None:
    """Look whether a page can be rewritten, before drills run for minutes.

    Raises:
        UsageError: as `write_page`.
    """
    try:
        with path.open("r+", encoding="utf-8") as page:
            text = page.read()
    except OSError as error:
        raise _not_written(path, error) from error
    for name in (_DRILLS, _STORIES):
        _between(path, text, name, "")


def write_page(path: Path, summary: Summary) -> None:
    """Replace what stands between the markers of a page: the results, and the stories.

    Raises:
        UsageError: the page cannot be read or written, or has no markers.
    """
    try:
        text = path.read_text(encoding="utf-8")
        text = _between(path, text, _DRILLS, table(summary))
        text = _between(path, text, _STORIES, stories())
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> UsageError:
    return UsageError("page-not-written", f"{path} cannot be rewritten: {error.strerror}.")


def _between(path: Path, text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise UsageError("page-without-markers", f"{path} has no {begin} and {end}.")
    return f"{before}{begin}\n{content}{end}{after}"


def table(summary: Summary) -> str:
    """In Markdown."""
    lines = (
        "| drill | held by | nodes, requests that met it | failed | detected | over | people |",
        "|---|---|---|---|---|---|---|",
        *(line for result in summary.results for line in _lines(result)),
        "",
        _together(summary),
    )
    return "\n".join(lines) + "\n"


def stories() -> str:
    """What each drill replays, in Markdown."""
    parts = (
        f"### {drill.name}\n\n{drill.outage}: {drill.title}. {drill.story}\n\n"
        f"Protections: {', '.join(protection.value for protection in drill.protections)}."
        for drill in ALL
    )
    return "\n\n".join(parts) + "\n"


def _lines(result: Result) -> Iterator[str]:
    guarded = result.guarded
    yield f"| **{result.name}** | {guarded.held_by or '**nothing**'} | {_cells(guarded.account)} |"
    if result.naive is not None:
        yield f"| the naive way | | {_cells(result.naive)} |"


def _cells(account: Account) -> str:
    return " | ".join(
        (
            f"{account.exposed_nodes} of {account.nodes}, {account.exposed_requests}",
            f"{account.failed} of {account.requests}",
            seconds(account.detect_s),
            seconds(account.revert_s if account.exposed_requests else None),
            str(account.human_actions),
        )
    )


def _together(summary: Summary) -> str:
    share = summary.failed_share_of_naive
    if share is None:
        return ""
    return f"Together, failed requests are {share:.3%} of those in the naive way.\n"


def seconds(value: float | None) -> str:
    """A span, or a dash when there was none."""
    return "-" if value is None else f"{value:.1f} s"
