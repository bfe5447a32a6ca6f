"""The last of three checks: a real Envoy refuses a model as it loads, and the old one scores on."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)

from envoy_harness import EnvoyProcess, running_envoy
from gate.bot_snapshots import snapshot, with_script
from helpers import wait_until
from seawall.bots import artifact
from seawall.compiler.chains import filter_chains, managers
from seawall.compiler.snapshot import Snapshot
from seawall.compiler.wire import packed
from seawall.gate.ask import Asker, Failure
from seawall.gate.probes import Probe, Source
from seawall.gate.rewrite import BOOTSTRAP, DECISIONS, harmless
from seawall.telemetry.bots import BotVerdict, parse_verdict
from step_models import step_content

FEATURE = "agent-length"
GOOD = step_content(feature=FEATURE)
OTHER = step_content(30.0, name="other", feature=FEATURE)
PROBE = Probe(
    Source.MADE,
    https=False,
    host="shop.test",
    method="GET",
    path="/",
    headers=(("user-agent", "a" * 40),),
)


def routes_of(whole: Snapshot) -> bytes:
    return harmless(whole, "stub.sock").files["routes-0.pb"]


def bootstrap(whole: Snapshot, routes: Path) -> Bootstrap:
    """The sacrificial Envoy's, with its route table in a file that is watched."""
    made = Bootstrap.FromString(harmless(whole, "stub.sock").files[BOOTSTRAP])
    made.node.id, made.node.cluster = "n", "c"
    for listener in made.static_resources.listeners:
        for chain in filter_chains(listener):
            for config in managers(chain):
                manager = hcm_pb2.HttpConnectionManager.FromString(config.value)
                manager.rds.config_source.path_config_source.path = str(routes)
                config.CopyFrom(packed(manager))
    return made


def put(routes: Path, content: bytes) -> None:
    """Replace the table as Envoy wants it: by a move."""
    new = routes.with_suffix(".new")
    new.write_bytes(content)
    new.rename(routes)


def verdict(envoy: EnvoyProcess, mark: str) -> BotVerdict:
    """What the filter decides of one request."""

    async def ask() -> None:
        asker = Asker(envoy.directory, {"http": "http.sock"}, 5.0)
        try:
            answer = await asker.ask(PROBE, mark)
        finally:
            asker.close()
        assert answer.failure is Failure.NONE

    def told() -> list[Any]:
        text = (envoy.directory / DECISIONS).read_text()
        found = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return [record for record in found if record.get("mark") == mark]

    asyncio.run(ask())
    wait_until(told, what="the decision is written")
    found = parse_verdict(told()[0]["bots"])
    assert found is not None
    return found


def counted(envoy: EnvoyProcess, name: str) -> int:
    return sum(envoy.stats(rf"rds.*{name}").values())


def golden_broken(text: str) -> str:
    """Another score promised for the first golden vector."""
    begin = text.index('["golden"]="') + len('["golden"]="')
    return text[:begin] + ("2" if text[begin] != "2" else "3") + text[begin:]


def leaf_broken(text: str) -> str:
    """A leaf that is no number."""
    return text.replace('["leaf"]="', '["leaf"]="nan ')


def tree_broken(text: str) -> str:
    """A tree that would walk in a circle."""
    begin = text.index('["right"]="') + len('["right"]="')
    return text[:begin] + "0 " + text[begin:].split(" ", 1)[1]


def syntax_broken(text: str) -> str:
    """The text cut off in the middle."""
    return text[: len(text) // 2]


@pytest.mark.parametrize("spoil", [golden_broken, leaf_broken, tree_broken, syntax_broken])
def test_envoy_refuses_a_model_that_is_not_what_it_promises(
    tmp_path: Path, spoil: Callable[[str], str]
) -> None:
    routes = tmp_path / "routes.pb"
    routes.write_bytes(routes_of(snapshot(GOOD)))
    flags = ("--file-flush-interval-msec", "20")
    with running_envoy(bootstrap(snapshot(GOOD), routes), arguments=flags) as envoy:
        before = verdict(envoy, "1")
        assert before.score is not None
        assert artifact.digest(GOOD).startswith(before.model)
        taken = counted(envoy, "update_success")
        put(routes, routes_of(with_script(snapshot(OTHER), spoil)))
        wait_until(lambda: counted(envoy, "update_rejected") > 0, what="Envoy refuses the table")
        assert counted(envoy, "update_success") == taken
        again = verdict(envoy, "2")
        assert (again.score, again.model) == (before.score, before.model)
        put(routes, routes_of(snapshot(OTHER)))
        wait_until(lambda: counted(envoy, "update_success") > taken, what="Envoy takes a good one")
        after = verdict(envoy, "3")
        assert artifact.digest(OTHER).startswith(after.model)
        assert after.score == before.score + 30
