"""Releases as a table, one release in full, tokens and the audit log."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seawall.api.status_views import AuditView, TokensView, TokenView
from seawall.api.views import ReleaseDetailView, ReleasesView, ReleaseView
from seawall.console.changes import changes
from seawall.console.gate import gate
from seawall.console.output import joined, styled
from seawall.console.words import age, count, moment, place, size

_KINDS = {"certificates": "changed files"}
"""Where the name of a kind tells less than it holds: lists and pages on disk make such, too."""


def releases(view: ReleasesView, now_s: float) -> RenderableType:
    """One line a release, newest first."""
    if not view.releases:
        return styled("No release yet. Make the first with `seawall apply`.")
    table = plain_table("release", "when", "by", "state", "message")
    for release in view.releases:
        table.add_row(
            styled(release.id, "bold" if release.current else ""),
            styled(age(release.created_s, now_s)),
            styled(release.author),
            state(release),
            styled(_first_line(release.message)),
        )
    more = f"Older ones: seawall releases --before {view.next_before}" if view.next_before else ""
    return Group(table, styled(more, "dim")) if more else table


def state(release: ReleaseView) -> Text:
    """Where a release stands, in a few words."""
    rollout = _rollout(release)
    words = [
        (release.current, "current", "bold green"),
        (release.serving and not release.current, "serving", "bold yellow"),
        (release.last_known_good, "last known good", "green"),
        (bool(rollout), rollout, "yellow"),
        (bool(release.quarantined), "quarantined", "bold red"),
        (release.signed is False, "signature wrong", "bold red"),
        (release.kind != "site", _KINDS.get(release.kind, release.kind), "dim"),
    ]
    parts = [styled(text, style) for holds, text, style in words if holds]
    return Text(", ").join(parts)


def _rollout(release: ReleaseView) -> str:
    """Of its rollout what is worth saying: nothing when it is done."""
    if release.rollout in (None, "done"):
        return ""
    return "no rollout" if release.rollout == "none" else release.rollout.replace("-", " ")


def release_detail(view: ReleaseDetailView) -> RenderableType:
    """Everything about one release."""
    release = view.release
    rows = [
        ("release", joined(styled(release.id, "bold"), styled("  "), state(release))),
        ("made", styled(f"{moment(release.created_s)} by {release.author}")),
        ("message", styled(release.message or "-")),
        ("digest", styled(release.digest)),
        ("parent", styled(release.parent or "none")),
        ("compiled by", styled(f"Seawall {view.seawall_version}, Envoy {view.envoy_version}")),
        ("size", styled(size(view.size_bytes))),
        ("resources", styled(", ".join(f"{n} {kind}" for kind, n in view.resources.items()))),
    ]
    if release.quarantined:
        rows.append(("quarantined", styled(release.quarantined, "red")))
    if release.signed is False:
        wrong = (
            "invalid: its record was altered, or another key signed it; no node accepts it again"
        )
        rows.append(("signature", styled(wrong, "red")))
    parts: list[RenderableType] = [pairs(rows)]
    if not view.bundle_kept:
        parts.append(
            styled("Its content is no longer stored, so you cannot roll back to it.", "red")
        )
    if view.compared_with:
        parts += [styled(f"\nChanges against {view.compared_with}:", "bold")]
        parts += [changes(view.changes, view.changes_hidden)]
    if view.gate:
        parts += [styled("\nWhat the gate found:", "bold"), gate(view.gate)]
    for source in view.sources:
        parts += [styled(f"\n{place(source.path)}:", "bold"), styled(source.content.rstrip())]
    return Group(*parts)


def tokens(view: TokensView, now_s: float) -> RenderableType:
    """One line a token; never its value."""
    if not view.tokens:
        return styled("No token. Make one with `seawall token create NAME`.")
    table = plain_table("id", "name", "may", "made", "used", "state")
    for token in view.tokens:
        used = age(token.last_used_s, now_s) if token.last_used_s else "never"
        table.add_row(
            *(styled(token.id), styled(token.name), styled(" ".join(token.scopes))),
            *(styled(age(token.created_s, now_s)), styled(used), _token_state(token, now_s)),
        )
    return table


def audit(view: AuditView) -> RenderableType:
    """Who did what, newest first."""
    if not view.entries:
        return styled("The audit log is empty.")
    table = plain_table("when", "who", "what", "subject", "outcome")
    for entry in view.entries:
        table.add_row(
            *(styled(moment(entry.at_s)), styled(entry.who), styled(entry.what)),
            *(styled(entry.subject), styled(entry.outcome)),
        )
    return table


def plain_table(*columns: str) -> Table:
    """A table without lines: it reads as well in a file as on a screen."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def pairs(rows: list[tuple[str, Text]]) -> Table:
    """Labels and values beneath each other."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(styled(label), value)
    return table


def _token_state(token: TokenView, now_s: float) -> Text:
    if token.revoked:
        return styled("revoked", "red")
    if token.expires_s is None:
        return styled("good")
    if token.expires_s <= now_s:
        return styled("expired", "yellow")
    return styled(f"until {moment(token.expires_s)}")


def _first_line(message: str) -> str:
    lines = message.splitlines()
    return (
        ""
        if not lines
        else lines[0] + (f" (+{count(len(lines) - 1, 'line')})" if lines[1:] else "")
    )
