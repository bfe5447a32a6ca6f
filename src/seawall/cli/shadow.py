"""`bots shadow|promote|unshadow`: a second model beside the one that decides."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from seawall import limits
from seawall.api.hand_requests import PromoteRequest
from seawall.cli.connect import connect
from seawall.cli.follow import followed
from seawall.cli.target import Target
from seawall.console import shadow as draw
from seawall.console.output import Output
from seawall.daemon.processes import user_name
from seawall.exit_codes import DONE
from seawall.telemetry.bot_shadow import compare, newest_pair
from seawall.telemetry.records import AccessRecord, newest
from seawall.telemetry.shadow_report import NO_RECORDS, ShadowReport


def report(output: Output, target: Target, places: Sequence[Path]) -> int:
    """Tell how the shadow compares, on this machine's records or on files of other nodes.

    Raises:
        UnreachableError: nothing runs there, or a file is not.
        PermissionError: a file may not be read.
    """
    if places:
        found = _of_files(places)
    else:
        with connect(target) as client:
            found = client.bot_shadow()
    output.tell(found, lambda: draw.report(found))
    return DONE


def promote(output: Output, target: Target, request: PromoteRequest) -> int:
    """Make the shadow the bot model.

    Raises:
        NotFoundError: there is no shadow.
        ConflictError: it is another one, or a file.
    """
    with connect(target) as client:
        return followed(output, client.promote(request))


def unshadow(output: Output, target: Target, *, message: str) -> int:
    """Take the shadow away.

    Raises:
        NotFoundError: there is none.
        ConflictError: it is a file.
    """
    with connect(target) as client:
        return followed(output, client.unshadow(user_name(), message))


def _of_files(places: Sequence[Path]) -> ShadowReport:
    """The report on the records of files.

    Raises:
        UnreachableError: there are none.
        PermissionError: one may not be read.
    """
    from seawall.learn.records import files_of  # noqa: PLC0415 - only who names files pays for it

    def read() -> Iterator[AccessRecord]:
        for files in found:
            yield from newest(files, limits.BOT_SHADOW_READ_BYTES)

    found = [files_of([place]) for place in places]
    for path in (path for files in found for path in files):
        path.open("rb").close()  # `newest` passes over what it may not read
    pair = newest_pair(read())
    return NO_RECORDS if pair is None else compare(read(), *pair)
