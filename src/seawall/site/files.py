"""Files that a site file names (certificates, keys, error pages), each read once and bounded.

A file that cannot be read is remembered with every place that names it; the rules `file-missing`
and `file-unreadable` report it. Nothing here opens a file: the reader is injected.
"""

import glob
import hashlib
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from seawall import limits
from seawall.site.problem import Location

FileReader: TypeAlias = Callable[[str], bytes]
"""Absolute path to content; may raise `OSError`."""
FileMode: TypeAlias = Callable[[str], int]
"""Absolute path to permission bits; may raise `OSError`."""


@dataclass(frozen=True, slots=True)
class ReferencedFile:
    """A file that the edge was built from, besides the YAML files."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Named:
    """One place that names a file.

    Attributes:
        purpose: what it is for, for example `key`.
        subject: what names it.
    """

    path: str
    purpose: str
    location: Location
    subject: str


@dataclass
class Files:
    """All files named, their content, and why some have none."""

    read: FileReader
    content: dict[str, bytes] = field(default_factory=dict)
    failures: dict[str, OSError] = field(default_factory=dict)
    too_large: dict[str, int] = field(default_factory=dict)
    """With the bound that was broken."""
    named: list[Named] = field(default_factory=list)

    def get(
        self, named: Named, size_bytes_max: int = limits.REFERENCED_FILE_SIZE_BYTES_MAX
    ) -> bytes | None:
        """The content, or None when it cannot be had; the place is remembered."""
        self.named.append(named)
        path = named.path
        if path in self.content:
            return self.content[path]
        if path in self.failures or path in self.too_large:
            return None
        try:
            content = self.read(path)
        except OSError as error:
            self.failures[path] = error
            return None
        if len(content) > size_bytes_max:
            self.too_large[path] = size_bytes_max
            return None
        self.content[path] = content
        return content

    def referenced(self) -> tuple[ReferencedFile, ...]:
        """Every file that was read, by path."""
        return tuple(
            ReferencedFile(path, hashlib.sha256(content).hexdigest())
            for path, content in sorted(self.content.items())
        )


def absolute(naming_file: str, path: str) -> str:
    """The absolute path of a file named in `naming_file`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(naming_file), path))


def absolute_pattern(naming_file: str, pattern: str) -> str:
    """The same of a pattern of files; what stands in the way to `naming_file` is no pattern."""
    directory = glob.escape(posixpath.dirname(naming_file))
    return posixpath.normpath(posixpath.join(directory, pattern))
