"""Text of a site file to a checked edge: the whole of the way, with all problems at once.

No clock, no network, and files only through the injected reader. Bad text never raises: it becomes
problems, and the edge is None. Equal inputs give equal results.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from seawall import limits
from seawall.ids import ListName, SiteName
from seawall.model import BotMode, Edge
from seawall.secret import Secret
from seawall.site.build import build_edge, build_parts
from seawall.site.build_site import CATCH_ALL
from seawall.site.cache import Known, LoadCache
from seawall.site.draft import Draft
from seawall.site.files import FileMode, FileReader, Files, ReferencedFile
from seawall.site.merge import merge
from seawall.site.problem import Location, Problem, Severity
from seawall.site.rules import run_rules
from seawall.site.served import Served
from seawall.site.sources import BOT_MODEL, BOT_SHADOW, CLEARANCE_KEYS, Pushed, SourceSet

DevelopmentCertificate: TypeAlias = Callable[[SiteName, tuple[str, ...]], tuple[bytes, Secret]]
"""Site and its hosts to a certificate chain and key made for them."""

__all__ = [
    "DevelopmentCertificate",
    "FileReader",
    "LoadCache",
    "Loaded",
    "ReferencedFile",
    "load",
]


@dataclass(frozen=True)
class Loaded:
    """What became of a site file.

    Attributes:
        edge: None if and only if `problems` holds an error.
        problems: errors first, then by place; at most `limits.SITE_PROBLEMS_MAX`, and one that
            counts the rest.
        locations: where each thing was written: `site shop`, `route shop/api`, `origin api`,
            `certificate shop`, `listener http 0.0.0.0:80`.
        referenced: files that were read besides the YAML files.
        pushed: what was pushed into feeds that no file holds: the lists that the site file
            defines, the bot model, and its shadow.
    """

    edge: Edge | None
    problems: tuple[Problem, ...]
    locations: Mapping[str, Location]
    referenced: tuple[ReferencedFile, ...]
    pushed: tuple[Pushed, ...] = ()


def load(
    sources: SourceSet,
    *,
    read: FileReader,
    now_s: float,
    development_certificate: DevelopmentCertificate | None = None,
    file_mode: FileMode | None = None,
    cache: LoadCache | None = None,
    pushed: Sequence[Pushed] = (),
    served: Served | None = None,
) -> Loaded:
    """Load a configuration.

    Args:
        sources: the site file and its includes.
        read: reads certificates, keys and error pages.
        now_s: Unix seconds; certificates are judged by it.
        development_certificate: makes certificates for `tls.development_ca`; without it such
            sites get none.
        file_mode: permission bits of a file; without it they are not judged.
        cache: remembers parsed files between calls; the result is the same without.
        pushed: the newest content of each list that was pushed.
        served: what serves now: some of what is wrong there already is no error, but a warning.
    """
    cache = cache or LoadCache()
    known, cache.known = cache.known, Known()
    merged = merge(sources, cache)
    if merged.top is None:
        return Loaded(None, _ordered(merged.problems), MappingProxyType({}), ())
    draft = Draft(
        top=merged.top,
        sites=merged.sites,
        origins=merged.origins,
        certificates=merged.certificates,
        roots=merged.roots,
        unread=merged.unread,
        twice=merged.twice,
        files=Files(read),
        now_s=now_s,
        file_mode=file_mode,
        development_certificate=development_certificate,
        problems=merged.problems,
        pushed={each.name: each.content for each in pushed},
        served=served,
        known=Known() if any(root.damaged for root in merged.roots) else known,
    )
    build_parts(draft)
    draft.problems.extend(run_rules(draft))
    cache.known = draft.to_know()
    refused = any(problem.severity is Severity.ERROR for problem in draft.problems)
    return Loaded(
        edge=None if refused else build_edge(draft),
        problems=_ordered(draft.problems),
        locations=MappingProxyType(_locations(draft)),
        referenced=draft.files.referenced(),
        pushed=tuple(each for each in pushed if _takes_pushes(draft, each.name)),
    )


def _takes_pushes(draft: Draft, name: ListName) -> bool:
    if name == BOT_MODEL:
        return draft.top.section.bots.model is None
    if name == BOT_SHADOW:
        return draft.top.section.bots.shadow is None
    if name == CLEARANCE_KEYS:
        return any(site.bots.mode is BotMode.ENFORCE for site in draft.built_sites.values())
    section = draft.top.section.lists.get(name)
    return section is not None and section.file is None


def _ordered(problems: list[Problem]) -> tuple[Problem, ...]:
    ordered = sorted(
        dict.fromkeys(_printable(problem) for problem in problems),
        key=lambda p: (p.severity is not Severity.ERROR, p.location, p.id, p.subject, p.what),
    )
    shown = ordered[: limits.SITE_PROBLEMS_MAX]
    if rest := len(ordered) - len(shown):
        what = f"{rest:,} or more further problems are not shown."
        place = Location(shown[0].location.file, 0, 0)
        remedy = "Mend the first ones and check again."
        shown.append(Problem("more-problems", Severity.WARNING, place, "", what, "", remedy))
    return tuple(shown)


def _printable(problem: Problem) -> Problem:
    """The same without control characters: messages go to terminals and logs."""
    texts = (problem.subject, problem.what, problem.why, problem.remedy)
    if all(text.isprintable() for text in texts):
        return problem
    subject, what, why, remedy = (
        "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
        for text in texts
    )
    return replace(problem, subject=subject, what=what, why=why, remedy=remedy)


def _locations(draft: Draft) -> dict[str, Location]:
    found: dict[str, Location] = {}
    for kind, listeners in (
        ("http", draft.top.section.listen.http),
        ("https", draft.top.section.listen.https),
    ):
        for index, listener in enumerate(listeners):
            where = draft.top.at("listen", kind, index, "address")
            found[f"listener {kind} {listener.address}"] = where
    found |= {f"certificate {name}": placed.at() for name, placed in draft.certificates.items()}
    found |= {files.subject: files.location for files in draft.certificate_files.values()}
    found |= {f"list {name}": draft.top.at("lists", name) for name in draft.top.section.lists}
    if draft.top.section.bots.model is not None:
        found[f"list {BOT_MODEL}"] = draft.top.at("bots", "model")
    if draft.top.section.bots.shadow is not None:
        found[f"list {BOT_SHADOW}"] = draft.top.at("bots", "shadow")
    found |= {f"origin {name}": placed.at() for name, placed in draft.origin_places.items()}
    for name, site in draft.sites.items():
        found[f"site {name}"] = site.at()
        places = site.items_at("routes", len(site.section.routes))
        for route, where in zip(site.section.routes, places, strict=True):
            found[f"route {name}/{route.name}"] = where
        if site.section.origin is not None:
            found[f"route {name}/{CATCH_ALL}"] = site.at("origin")
    return found
