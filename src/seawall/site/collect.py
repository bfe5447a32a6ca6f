"""From the disk to a `SourceSet`: the site file and its includes.

The YAML is parsed here just far enough to learn `includes`; judging it is left to `load`.
"""

import glob
import os
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.errors import UsageError
from seawall.site.disk import read_bounded
from seawall.site.files import absolute_pattern
from seawall.site.parse import value_of
from seawall.site.sources import SourceFile, SourceSet
from seawall.site.tree import ListNode

_INCLUDES: Final = "includes"


def collect(root: Path) -> SourceSet:
    """The site file at `root` and every file that its `includes` match, in sorted order.

    Raises:
        UsageError: the site file is missing, it or an included one is unreadable, or there are
            too many files.
    """
    path = os.path.abspath(root)  # noqa: PTH100 - keeps links as they were typed
    content = _source(path)
    files = [SourceFile(path, content)]
    size = len(content)
    for included, pattern in _included(path, content).items():
        if size > limits.SITE_SOURCES_SIZE_BYTES_MAX:
            break  # `load` refuses the whole: what follows is not read
        files.append(SourceFile(included, _include(included, pattern, path)))
        size += len(files[-1].content)
    return SourceSet(path, tuple(files))


def _source(path: str) -> bytes:
    try:
        return read_bounded(path, limits.SITE_FILE_SIZE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise UsageError(
            "site-file-missing",
            f"There is no site file at {path}.",
            remedy="Make one with `seawall init`, or name another one with `--config`.",
        ) from None
    except OSError as error:
        raise UsageError(
            "site-file-unreadable",
            f"The site file {path} cannot be read: {error.strerror or error}.",
            remedy="Check that it is a file and that you may read it.",
        ) from None


def _include(path: str, pattern: str, root: str) -> bytes:
    try:
        return read_bounded(path, limits.SITE_FILE_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(
            "include-unreadable",
            f"The file {path} cannot be read: {error.strerror or error}. `{pattern}` among the "
            f"`includes` of {root} matches it.",
            remedy="Check that it is a file and that you may read it, or narrow the pattern.",
        ) from None


def _included(root: str, content: bytes) -> dict[str, str]:
    """What `includes` match, and the first pattern that does."""
    if _INCLUDES.encode() not in content:  # a large file without includes is not parsed twice
        return {}
    written = value_of(root, content, _INCLUDES)
    patterns = written if isinstance(written, ListNode) else [written]
    found: dict[str, str] = {}
    for pattern in patterns:
        if isinstance(pattern, str) and "\x00" not in pattern:
            wanted = absolute_pattern(root, pattern)
            for path in sorted(glob.iglob(wanted)):  # noqa: PTH207 - text paths
                if path != root:
                    found.setdefault(path, pattern)
                if len(found) >= limits.SITE_INCLUDES_MAX:
                    raise UsageError(
                        "too-many-includes",
                        f"`includes` of {root} match {limits.SITE_INCLUDES_MAX:,} files or more.",
                        remedy="Narrow the patterns, or put several sites into one file.",
                    )
    return found
