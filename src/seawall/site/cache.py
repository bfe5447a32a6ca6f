"""What loading the same files again may reuse: files that were read, and sites that were built.

A file is known by its path and content, a site or origin by its section, which is the same object
as long as nobody wrote anything else. Only values that depend on nothing else are kept, so a cached
load equals a fresh one. The cache holds what the last load had; what is gone is dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seawall.ids import OriginName, SiteName
from seawall.model import Origin, Site
from seawall.site.problem import Problem
from seawall.site.schema.edge import SiteFile
from seawall.site.schema.origin import OriginSection
from seawall.site.schema.site import SiteSection
from seawall.site.tree import MapNode


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file as parsed and validated.

    Attributes:
        tree: without what could not be read; None when the file makes no sense at all.
        model: `SiteFile` or `IncludedFile`, or None, as `tree`.
    """

    content: bytes
    is_root: bool
    tree: MapNode | None
    model: Any
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class KnownSite:
    """A site as it was built.

    Attributes:
        clean: what `Rule.alone` says was tried on it, and nothing was found.
    """

    section: SiteSection
    site: Site
    clean: bool


@dataclass(frozen=True, slots=True)
class KnownOrigin:
    """An origin as it was built; `clean` as in `KnownSite`."""

    section: OriginSection
    origin: Origin
    clean: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What the last load made of sections that were read without loss.

    Attributes:
        top: what the site file said besides its sites.
    """

    top: tuple[object, ...] = ()
    sites: Mapping[SiteName, KnownSite] = field(default_factory=dict)
    origins: Mapping[OriginName, KnownOrigin] = field(default_factory=dict)


@dataclass
class LoadCache:
    """Pass the same one to each `load` of a configuration."""

    files: dict[str, CachedFile] = field(default_factory=dict)
    known: Known = field(default_factory=Known)


def top_of(file: SiteFile) -> tuple[object, ...]:
    """What a site file says besides its sites; the same objects as long as it says the same."""
    return tuple(getattr(file, name) for name in SiteFile.model_fields if name != "sites")
