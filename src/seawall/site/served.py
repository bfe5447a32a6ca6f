"""What serves already: no reason to refuse a change of something else.

An error is there to keep a mistake from being served. Where it is served already, because time has
passed over a certificate or because a newer Seawall looks closer, refusing does not help: it keeps
an operator from a kill switch, an address list or another certificate at the worst time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Served:
    """Of the current release, what a load compares with.

    Attributes:
        files: SHA-256 by path, of the files that it was built from.
        same_sources: whether the YAML files are those that are loaded.
    """

    files: Mapping[str, str]
    same_sources: bool

    def holds(self, path: str, content: bytes) -> bool:
        """Whether the release was built from this very file."""
        return self.files.get(path) == hashlib.sha256(content).hexdigest()
