"""The option that rewrites the transcripts of scenarios."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-scenarios",
        action="store_true",
        help="rewrite the transcripts of the node's scenarios and delete those without a script",
    )
