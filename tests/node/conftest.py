"""The option that rewrites the transcripts of scenarios, and ports that no other worker takes."""

import os
import re
from typing import Final

import pytest

from seawall.node.dns import listening

_NAMES_PORTS: Final = 8
"""Of the agents that one test has; they begin behind those of agents in processes of their own."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-scenarios",
        action="store_true",
        help="rewrite the transcripts of the node's scenarios and delete those without a script",
    )


@pytest.fixture(autouse=True)
def _own_names_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is started again finds its port free, whatever other workers do meanwhile."""
    worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "0"))
    begin = listening.PRIVILEGED.stop + _NAMES_PORTS * (int(worker or 0) % 8)
    monkeypatch.setattr(listening, "PRIVILEGED", range(begin, begin + _NAMES_PORTS))
