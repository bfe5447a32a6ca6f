"""`seawall bots fetch-ranges`: published ranges of bots, fetched and then written or released.

What is fetched is compared with what is in use: the file in the folder, or what was pushed last.
Whatever goes wrong with one list leaves it as it is, is told, and does not keep the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.api.range_feeds import WAITS, Feeds, last_of, renew_feeds
from seawall.api.views import Applied, ApplyEvent, Refused
from seawall.cli.connect import connect
from seawall.cli.target import Target
from seawall.console import progress
from seawall.console.output import Output, error_text, styled
from seawall.daemon.processes import user_name
from seawall.errors import RefusedError, SeawallError, UnreachableError, UsageError
from seawall.exit_codes import DONE, REFUSED
from seawall.node.files import PUBLIC_FILE_MODE, read_bounded, write_atomic
from seawall.verify.ranges import RangeList, known
from seawall.verify.renewing import Fetched, World, real_world, renewed, wanted

_DONE: Final = {
    "written": "Wrote",
    "released": "Released",
    WAITS: "Waiting, will be released automatically",
    "unchanged": "Unchanged",
    "kept": "Left unchanged",
}


class Folder:
    """Files `NAME.txt` of a folder."""

    taken = "written"

    def __init__(self, folder: Path) -> None:
        """Make the folder.

        Raises:
            UsageError: it cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                "folder-unusable",
                f"{folder} cannot be created: {error.strerror or error}.",
                remedy="Choose a folder that you can write to.",
            ) from error
        self._folder = folder

    def held(self, name: str) -> RangeList | None:
        """See `seawall.verify.renewing.Holding.held`."""
        path = self._path(name)
        try:
            return known(name, read_bounded(path, limits.VERIFY_RANGES_BODY_SIZE_BYTES_MAX))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnreachableError("file-unreadable", f"{path} cannot be read: {error}") from error
        except SeawallError as error:
            raise RefusedError(error.code, f"{path}: {error.message}") from error

    def take(self, name: str, content: str) -> None:
        """See `seawall.verify.renewing.Holding.take`."""
        path = self._path(name)
        try:
            # Whoever fetches need not be the user that Seawall runs as, and what was published is
            # no secret.
            write_atomic(path, content.encode(), mode=PUBLIC_FILE_MODE)
        except OSError as error:
            words = f"{path} cannot be written: {error}"
            raise UnreachableError("file-unwritable", words) from error

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.txt"


def fetch(
    output: Output, names: Sequence[str], out: Path | None, target: Target, *, release: bool
) -> int:
    """Fetch into a folder, or as releases; see `write` and `push`.

    Raises:
        UsageError: neither or both are asked for.
    """
    if release == (out is not None):
        raise UsageError(
            "where-to",
            "Ranges are either written to a folder or released.",
            remedy="Use either `--out DIR` or `--push`.",
        )
    if out is not None:
        return write(output, real_world(), names, out)
    return push(output, real_world(), names, target)


def write(output: Output, world: World, names: Sequence[str], folder: Path) -> int:
    """Renew files, `NAME.txt` each; without names, all lists of the catalogue.

    Returns:
        `REFUSED` when something was wrong with one of them.

    Raises:
        UsageError: there is no list of that name, or the folder cannot be made.
    """
    sources = wanted(names, world.sources)
    holding = Folder(folder)
    return _told(output, [renewed(world, source, holding) for source in sources])


def push(output: Output, world: World, names: Sequence[str], target: Target) -> int:
    """Renew what was pushed, each as a release; without names, the lists of the current release.

    Returns:
        `REFUSED` when something was wrong with one of them.

    Raises:
        UsageError: there is no list of that name, or the current release has none to push to.
        UnreachableError: nothing runs there.
    """

    def follow(events: Iterator[ApplyEvent]) -> Applied | Refused:
        return last_of(events) if output.json_format else progress.follow(output, events)

    with connect(target) as client:

        def push_one(name: str, content: bytes, message: str) -> Iterator[ApplyEvent]:
            return client.push_feed(name, content, author=user_name(), message=message)

        feeds = Feeds(client, push_one, follow)
        return _told(output, renew_feeds(world, client, names, feeds))


def _told(output: Output, done: Sequence[Fetched]) -> int:
    failed = any(one.alarm or one.state == WAITS for one in done)
    if output.json_format:
        output.write_json({"ranges": [asdict(one) for one in done]})
        return REFUSED if failed else DONE
    for one in done:
        networks = "no networks" if one.networks is None else f"{one.networks:,} networks"
        output.show(styled(f"{_DONE[one.state]}: {one.name}, {networks}"))
        if one.alarm:
            do = "The list in use stays in use; the next run tries again."
            output.show_aside(error_text(one.alarm, code="bot-ranges-kept", do=do))
    return REFUSED if failed else DONE
