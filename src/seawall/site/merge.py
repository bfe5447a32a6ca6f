"""The site file and its includes as one: every name is defined once, wherever it stands."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeVar

from seawall import limits
from seawall.ids import CertificateName, OriginName, SiteName
from seawall.site.anew import read_anew
from seawall.site.cache import CachedFile, LoadCache
from seawall.site.draft import Placed
from seawall.site.files import absolute_pattern
from seawall.site.parse import parse
from seawall.site.problem import Location, Problem, Severity
from seawall.site.schema.edge import IncludedFile, SiteFile
from seawall.site.schema.origin import OriginSection
from seawall.site.schema.site import CertificateSection, SiteSection
from seawall.site.sources import SourceFile, SourceSet
from seawall.site.tree import MapNode
from seawall.site.validate import validate

SectionT = TypeVar("SectionT", OriginSection, CertificateSection, SiteSection)
NameT = TypeVar("NameT", bound=str)


@dataclass
class Merged:
    """All files together. `top` is None when the site file itself makes no sense."""

    top: Placed[SiteFile] | None = None
    sites: dict[SiteName, Placed[SiteSection]] = field(default_factory=dict)
    origins: dict[OriginName, Placed[OriginSection]] = field(default_factory=dict)
    certificates: dict[CertificateName, Placed[CertificateSection]] = field(default_factory=dict)
    roots: list[MapNode] = field(default_factory=list)
    unread: bool = False
    twice: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def merge(sources: SourceSet, cache: LoadCache) -> Merged:
    """Parse, validate and join all files of `sources`."""
    merged = Merged()
    size = sum(len(file.content) for file in sources.files)
    if size > limits.SITE_SOURCES_SIZE_BYTES_MAX or len(sources.files) > limits.SITE_INCLUDES_MAX:
        merged.problems.append(_too_much(sources, size))
        return merged
    cache.files = {
        file.path: _file(file, is_root=file.path == sources.root, cache=cache)
        for file in sources.files
    }
    for path, known in cache.files.items():
        merged.problems.extend(known.problems)
        if known.tree is None:
            merged.unread = True
            continue
        merged.roots.append(known.tree)
        if known.is_root:
            merged.top = Placed(known.model, path, known.tree, ())
        join = _Join(path, known.tree, merged.problems, merged.twice)
        join.part("sites", SiteName, known.model.sites, merged.sites)
        join.part("origins", OriginName, known.model.origins, merged.origins)
        join.part("certificates", CertificateName, known.model.certificates, merged.certificates)
    if merged.top is not None:
        merged.unread |= merged.top.gone("includes") or merged.top.lost("includes")
        _check_includes(merged, merged.top, sources)
    return merged


def _file(file: SourceFile, *, is_root: bool, cache: LoadCache) -> CachedFile:
    known = cache.files.get(file.path)
    if known and known.content == file.content and known.is_root == is_root:
        return known
    if known and known.is_root == is_root:
        changed = read_anew(file.path, known, file.content)
        if changed is not None:
            return changed
    tree, problems = parse(file.path, file.content)
    if tree is None:
        return CachedFile(file.content, is_root, None, None, tuple(problems))
    model: type[SiteFile | IncludedFile] = SiteFile if is_root else IncludedFile
    fallback = {"version": 1, "listen": {}} if is_root else {}
    section, found, tree = validate(model, file.path, tree, fallback)
    problems.extend(found)
    return CachedFile(file.content, is_root, tree, section, tuple(problems))


@dataclass(frozen=True, slots=True)
class _Join:
    """Joins the named parts of one file to those of the files before it."""

    path: str
    tree: MapNode
    problems: list[Problem]
    twice: set[str]

    def part(
        self,
        part: str,
        make_name: Callable[[str], NameT],
        sections: dict[str, SectionT],
        into: dict[NameT, Placed[SectionT]],
    ) -> None:
        for key, section in sections.items():
            name = make_name(key)
            placed = Placed(section, self.path, self.tree, (part, key))
            first = into.setdefault(name, placed)
            if first is not placed:
                self._twice(part, key, placed.at(), first.at())

    def _twice(self, part: str, key: str, at: Location, first: Location) -> None:
        what = f"`{key}` of `{part}` is defined twice."
        why = f"It is first defined at {first}."
        remedy = "Remove one of the two, or give it another name."
        self.twice.add(part)
        subject = f"{part[:-1]} {key}"
        self.problems.append(
            Problem("duplicate-name", Severity.ERROR, at, subject, what, why, remedy)
        )


def _check_includes(merged: Merged, top: Placed[SiteFile], sources: SourceSet) -> None:
    """Every pattern matches a file: one that matches nothing is a typo or a missing folder."""
    paths = [file.path for file in sources.files if file.path != sources.root]
    for index, pattern in enumerate(top.section.includes):
        where = top.at("includes", index)
        wanted = absolute_pattern(top.file, pattern)
        if any(matches(path, wanted) for path in paths):
            continue
        wild = any(letter in pattern for letter in "*?[")
        what = f"No file matches `{pattern}`."
        remedy = f"Patterns are relative to {posixpath.dirname(top.file)}; check the spelling."
        if matches(top.file, wanted):
            what, remedy = f"Only this file itself matches `{pattern}`.", "Remove the pattern."
        severity = Severity.WARNING if wild else Severity.ERROR
        merged.unread |= not wild
        merged.problems.append(Problem("include-missing", severity, where, "", what, "", remedy))


def matches(path: str, pattern: str) -> bool:
    """Whether an absolute path matches a pattern, part by part: `*` never crosses a `/`."""
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _too_much(sources: SourceSet, size: int) -> Problem:
    return Problem(
        "file-too-large",
        Severity.ERROR,
        Location(sources.root, 0, 0),
        "",
        f"The configuration has {len(sources.files):,} files of {size:,} bytes together.",
        f"At most {limits.SITE_INCLUDES_MAX:,} files and "
        f"{limits.SITE_SOURCES_SIZE_BYTES_MAX:,} bytes are read.",
        "Check the patterns in `includes`.",
    )
