"""tools/ja4.py: what it captures from a real client is an entry that the table takes."""

import argparse
import subprocess

import pytest
from tools import ja4 as tool

from machine import needs_curl
from seawall.bots import ja4, ja4_table
from seawall.bots.families import ClientFamily
from seawall.errors import RefusedError

pytestmark = needs_curl


def test_a_capture_is_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--name", "curl", "--family", "curl", "--date", "2026-11-28", "--"]
    assert tool.main([*arguments, "curl", "-s", "URL"]) == 0
    text = capsys.readouterr().out
    table = ja4_table.parse(f"version: 1\ngenerations: []\nclients:\n{text}")
    (client,) = table.clients
    assert (client.name, client.family, client.date) == ("curl", ClientFamily.CURL, "2026-11-28")
    assert ja4.canonical_of(client).startswith("t13d")
    assert max(len(line) for line in text.splitlines()) <= 100


def test_a_client_may_come_straight() -> None:
    with tool.listener() as heard:
        command = ["curl", "-s", "--max-time", "5", f"https://127.0.0.1:{heard.port}/"]
        subprocess.run(command, check=False, timeout=20)
        assert heard.arrived.wait(5)
    (hello,) = heard.hellos
    assert not hello.server_name


def test_a_client_that_speaks_no_tls_gives_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "_DEADLINE_S", 1.0)
    assert tool.main(["--", "curl", "-s", "http://127.0.0.1:PORT/"]) == 1
    assert "No ClientHello came for capture.test" in capsys.readouterr().err


def test_an_unjudged_entry_is_refused_by_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--", "curl", "-s", "URL"]) == 0
    text = capsys.readouterr().out
    with pytest.raises(RefusedError, match="date"):
        ja4_table.parse(f"version: 1\ngenerations: []\nclients:\n{text}")


def test_extensions_that_come_and_go_are_pointed_out() -> None:
    with tool.listener() as heard:
        for protocols in (["--http1.1"], ["--no-alpn"]):
            command = ["curl", "-s", *protocols, f"https://127.0.0.1:{heard.port}/"]
            subprocess.run(command, check=False, timeout=20)
    options = argparse.Namespace(name="x", family="curl", generation="", source="s", date="d")
    assert "# differs between runs: 0010" in tool.entry(heard.hellos, options)
