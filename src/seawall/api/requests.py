"""The JSON shapes that callers send, with their bounds; the answers are in `views`.

A site file travels as text with the absolute path it was read from, because problems name files
and certificates are found beside them. Bytes that are not UTF-8 travel as base64, so that the
loader, and nobody before it, says what is wrong with them.
"""

import os
from dataclasses import dataclass
from typing import Literal

from seawall import limits
from seawall.errors import RefusedError, UsageError
from seawall.site.sources import SourceFile, SourceSet


@dataclass(frozen=True, slots=True)
class SourceText:
    """One file: exactly one of `text` and `base64` holds its content."""

    path: str
    text: str | None = None
    base64: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """A site file and its includes. `root` is the path of the site file, one of `files`."""

    root: str
    files: tuple[SourceText, ...]


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """Check or compare these sources.

    Attributes:
        force: names of guards to pass, for a comparison.
        full: whether a check also asks Envoy; null does so for up to 200 sites.
    """

    sources: Sources
    force: tuple[str, ...] = ()
    full: bool | None = False


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """Release these sources.

    Attributes:
        message: why; shown in the history.
        author: who; if empty, the name of the token or of the local user.
        dry_run: go through every check but release nothing.
        force: names of guards to pass, and the digest (at least its first 12 digits) of quarantined
            content to release all the same.
        parent: refuse unless this release is still current; empty accepts any.
        break_glass: why the steps of the rollout are skipped; empty takes the steps. The reason is
            recorded.
    """

    sources: Sources
    message: str = ""
    author: str = ""
    dry_run: bool = False
    force: tuple[str, ...] = ()
    parent: str = ""
    break_glass: str = ""


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """Go back to `release`, or if it is null to the newest good release before the current one.

    Attributes:
        break_glass: as in `ApplyRequest`; needed for a release that was never last known good.
    """

    release: str | None = None
    author: str = ""
    message: str = ""
    force: tuple[str, ...] = ()
    break_glass: str = ""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Create an API token. If `ttl_s` is null, it never expires."""

    name: str
    scopes: tuple[Literal["read", "write"], ...] = ("read",)
    ttl_s: float | None = None


def pack(sources: SourceSet) -> Sources:
    """Sources as they travel."""
    files = []
    for file in sources.files:
        try:
            files.append(SourceText(file.path, text=file.content.decode()))
        except UnicodeDecodeError:
            files.append(SourceText(file.path, base64=file.content))
    return Sources(sources.root, tuple(files))


def unpack(sources: Sources) -> SourceSet:
    """Sources as the loader takes them.

    Raises:
        UsageError: a path is not absolute, the root is not among the files, a file has no content.
        RefusedError: more files or bytes than the limits allow.
    """
    if len(sources.files) > limits.SITE_INCLUDES_MAX + 1:
        raise RefusedError(
            "too-many-files",
            f"{len(sources.files)} files were sent; at most {limits.SITE_INCLUDES_MAX} may be "
            "included.",
            remedy="Merge some of the included files.",
        )
    files = tuple(SourceFile(_path(file.path), _content(file)) for file in sources.files)
    size = sum(len(file.content) for file in files)
    if size > limits.SITE_SOURCES_SIZE_BYTES_MAX:
        raise RefusedError(
            "sources-too-large",
            f"The files have {size} bytes; at most {limits.SITE_SOURCES_SIZE_BYTES_MAX} are "
            "allowed.",
            remedy="Split the configuration across several edges.",
        )
    paths = [file.path for file in files]
    if sources.root not in paths or len(set(paths)) != len(paths):
        raise UsageError(
            "bad-sources",
            "`sources.root` must name one of `sources.files`, and no path may come twice.",
            remedy="Send the site file first, then each included file once.",
        )
    return SourceSet(sources.root, files)


def _path(path: str) -> str:
    long = len(path) > limits.SOURCE_PATH_LENGTH_CHARS_MAX
    if not path.startswith("/") or "\0" in path or long or not _can_be_opened(path):
        raise UsageError(
            "bad-sources",
            f"{path[:200]!r} is not an absolute path.",
            remedy="Send absolute paths: certificates are looked up relative to the file that "
            "names them.",
        )
    return path


def _can_be_opened(path: str) -> bool:
    """Whether it is a name of a file at all: JSON can hold halves of characters."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def _content(file: SourceText) -> bytes:
    if (file.text is None) == (file.base64 is None):
        raise UsageError(
            "bad-sources",
            f"{file.path}: exactly one of `text` and `base64` is needed.",
            remedy="Send UTF-8 files as `text`.",
        )
    if file.base64 is not None:
        return file.base64
    return (file.text or "").encode(errors="surrogatepass")
