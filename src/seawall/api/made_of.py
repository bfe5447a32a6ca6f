"""Which release was made of given site files, whatever else it holds.

The same files compile to another release with other feeds, kill switches or certificates, and with
another version of Seawall. Whoever starts must know files that people have gone back from all the
same. Told from the manifests alone, each read once.
"""

import asyncio

from seawall import limits
from seawall.errors import SeawallError
from seawall.ids import Digest, ReleaseId
from seawall.release import rows
from seawall.release.bundle import files_digest, files_digest_of
from seawall.release.envelope import head
from seawall.release.release import ReleaseRecord
from seawall.release.store import Store
from seawall.site.sources import SourceSet


class MadeOf:
    """Remembers what the releases of a store were made of."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files: dict[Digest, str] = {}

    async def newest(self, sources: SourceSet, current: ReleaseRecord | None) -> ReleaseId | None:
        """The current release, or else the newest that went out, if made of these very files."""
        return await asyncio.to_thread(self._newest, sources, current)

    def _newest(self, sources: SourceSet, current: ReleaseRecord | None) -> ReleaseId | None:
        wanted = files_digest(file.content for file in sources.files)
        records = self._store.list(count_max=limits.PAGE_SIZE_MAX)
        known = {record.digest for record in records}
        self._files = {digest: files for digest, files in self._files.items() if digest in known}
        went_out = [record for record in records if record.stage]
        first = [current] if current is not None else []
        for record in (*first, *went_out):
            if self._made_of(record.digest) == wanted:
                return record.id
        return None

    def _made_of(self, digest: Digest) -> str:
        """What names its files; empty where they cannot be told any more."""
        if digest not in self._files:
            try:
                with self._store.database.read() as connection:
                    compressed = rows.bundle_row(connection, digest).compressed
                self._files[digest] = files_digest_of(head(compressed))
            except SeawallError:
                return ""
        return self._files[digest]
