"""What loading the same files again may reuse: parsed and validated files, by path and content.

Only values that depend on nothing but one file's bytes are kept, so a cached load equals a fresh
one. The cache holds one version of each file; files that are gone are dropped.
"""

from dataclasses import dataclass, field
from typing import Any

from seawall.site.problem import Problem
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


@dataclass
class LoadCache:
    """Pass the same one to each `load` of a configuration."""

    files: dict[str, CachedFile] = field(default_factory=dict)
