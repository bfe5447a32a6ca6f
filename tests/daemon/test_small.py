"""Processes that live for months do not load what they do not use."""

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
import seawall.daemon.{name}
print(*(name for name in {kept_out} if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("name", "kept_out"),
    [
        ("control", ("pydantic", "pydantic_core", "google.protobuf", "envoy", "yaml")),
        ("node", ("pydantic", "pydantic_core", "sqlalchemy", "starlette")),
    ],
)
def test_a_process_is_without_what_only_others_need(name: str, kept_out: tuple[str, ...]) -> None:
    program = _PROGRAM.format(name=name, kept_out=kept_out)
    ran = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []
