"""A step that takes longer than a command bears silence: whoever follows hears that it goes on."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from api.served import served
from api.world import site_text, sources
from helpers import free_port
from seawall import limits
from seawall.api import calls
from seawall.api.client import Client
from seawall.api.views import Applied, Progress
from seawall.api.workshop import Workshop

_TOLD_AGAIN = 15
"""Times, in more than the silence that the command bears."""


def test_a_command_waits_as_long_as_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, heard = Workshop.prepare, threading.Event()

    async def slowly(shop: Workshop, *given: Any, **options: Any) -> Any:
        assert await asyncio.to_thread(heard.wait, 20.0)
        return await prepare(shop, *given, **options)

    monkeypatch.setattr(Workshop, "prepare", slowly)
    monkeypatch.setattr(limits, "APPLY_SILENCE_S", 0.2, raising=False)
    monkeypatch.setattr(calls, "_STREAM_SILENCE_S", 2.0)
    with served(tmp_path / "data") as here, Client.for_data_dir(here.data_dir) as client:
        told = []
        try:
            for event in client.apply(sources(site_text(free_port()))):
                told.append(event)
                if len(told) > _TOLD_AGAIN:
                    heard.set()
        finally:
            heard.set()
    assert isinstance(told[-1], Applied), told[-1]
    for event in told[:_TOLD_AGAIN]:
        assert isinstance(event, Progress)
        assert (event.stage, event.state) == ("check", "started")
