"""Pieces of sentences."""

import pytest

from seawall.phrases import frozen


@pytest.mark.parametrize("reason", ["work on the network", "work on the network."])
def test_a_reason_that_is_a_sentence_already_ends_once(reason: str) -> None:
    assert frozen("ann", reason) == "Releases are frozen by ann: work on the network."
