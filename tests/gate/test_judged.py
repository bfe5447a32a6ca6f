"""What a tasting says of the memory of a release."""

import pytest

from seawall import limits
from seawall.gate.compare import Changed
from seawall.gate.judged import judge
from seawall.gate.plate import Tasting
from seawall.gate.sacrifice import End

_SMALL = 40 * limits.MIB
_USUAL = 400 * limits.MIB


def _tasting(memory_bytes: int, end: End = End.RUNNING, start_s: float | None = 0.5) -> Tasting:
    return Tasting(end, "", "", (), memory_bytes, start_s)


def _refusals(new: Tasting, old: Tasting | None) -> list[str]:
    return [finding.code for finding in judge((), new, old, Changed()).refusals]


def test_much_more_memory_than_the_current_release_is_refused() -> None:
    assert _refusals(_tasting(_USUAL), _tasting(_SMALL)) == ["taster-memory"]
    assert _refusals(_tasting(_USUAL), _tasting(_USUAL)) == []


@pytest.mark.parametrize("end", [end for end in End if end is not End.RUNNING])
def test_a_current_release_that_ended_early_is_no_measure_of_memory(end: End) -> None:
    """What mends a crash was quarantined for more memory than Envoy had as it crashed."""
    assert _refusals(_tasting(_USUAL), _tasting(_SMALL, end)) == []


def test_a_current_release_that_never_served_is_no_measure_of_memory() -> None:
    assert _refusals(_tasting(_USUAL), _tasting(_SMALL, start_s=None)) == []
