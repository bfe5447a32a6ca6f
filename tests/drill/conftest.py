"""Guarded fleets of these tests have a workbench with warm libraries: each drill starts one."""

import pytest

import warm_command
from seawall.drill import guarded
from seawall.testing import forked


@pytest.fixture(autouse=True)
def warm_workbench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(forked.PROGRAM, guarded._WORKBENCH)
    monkeypatch.setattr(guarded, "_WORKBENCH", warm_command.offer_workbench())
