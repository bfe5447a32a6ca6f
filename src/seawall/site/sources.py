"""The text of a configuration, away from the disk: what a release stores and `load` reads.

A `SourceSet` holds the site file and everything it includes, as bytes. It does not hold what the
site file only names (certificates, keys, error pages): those are read while loading.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from seawall.ids import ListName

BOT_MODEL: Final = ListName("bot-model")
"""The feed that brings the model which scores requests; no address list has this name."""
BOT_SHADOW: Final = ListName("bot-model-shadow")
"""The feed that brings a second model, which scores and decides nothing; likewise."""
CLEARANCE_KEYS: Final = ListName("clearance-keys")
"""The feed that control itself pushes keys into; no address list has this name."""
RESERVED: Final = (BOT_MODEL, BOT_SHADOW, CLEARANCE_KEYS)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One YAML file: its absolute path and its bytes as they were on disk."""

    path: str
    content: bytes


@dataclass(frozen=True)
class SourceSet:
    """A site file and its includes.

    Attributes:
        root: absolute path of the site file; one of `files`.
        files: every file, root first, then in the order in which they were included.
    """

    root: str
    files: tuple[SourceFile, ...]

    @cached_property
    def by_path(self) -> dict[str, SourceFile]:
        """Files by path."""
        return {file.path: file for file in self.files}


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed last into a feed that no file holds; it travels with the release."""

    name: ListName
    content: bytes

    def __repr__(self) -> str:
        return f"Pushed({self.name!r}, {len(self.content)} bytes)"
