"""What Envoy itself says of a site file without errors, as problems of that file."""

from dataclasses import replace
from typing import Final

from seawall.api.candidate import Candidate
from seawall.api.gatekeeper import Gatekeeper
from seawall.api.present import envoy_refusal
from seawall.api.views import CheckView, ProblemView

_QUICK_SITES_MAX: Final = 200
"""Up to so many sites Envoy is asked without being told to: it takes well under a second."""


def is_asked(view: CheckView, *, full: bool | None) -> bool:
    """Whether Envoy is to be asked: as `full` says; None asks it about an edge of ordinary size."""
    return view.ok and (view.sites <= _QUICK_SITES_MAX if full is None else full)


async def asked_envoy(view: CheckView, candidate: Candidate, gate: Gatekeeper) -> CheckView:
    """The verdict with what Envoy refuses.

    Raises:
        RefusedError: Envoy cannot judge it here.
    """
    report = await gate.validate(candidate.bundle.snapshot)
    if report.refusal is None:
        return view
    if not report.nacks:
        raise report.refusal
    refusals = [envoy_refusal(nack, candidate.locations) for nack in report.nacks]
    found = tuple(
        ProblemView(
            id="envoy-refused",
            severity="error",
            file=refusal.file or candidate.bundle.sources.root,
            line=refusal.line,
            column=0,
            subject=refusal.owner,
            what=f"Envoy refuses {refusal.owner}.",
            why=f"Envoy says: {refusal.envoy_words}",
            remedy="Fix what it names.",
        )
        for refusal in refusals
    )
    return replace(view, ok=False, problems=(*found, *view.problems))
