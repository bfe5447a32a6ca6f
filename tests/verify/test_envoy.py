"""The Lua module inside a real Envoy with two workers: ranges, verdicts, claims, and questions."""

import ipaddress
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from envoy_harness import EnvoyProcess, free_port, running_envoy
from seawall import limits
from seawall.clock import SystemClock
from seawall.verify.catalogue import catalogue
from seawall.verify.claims import Claim, ClaimsBoard
from seawall.verify.lua import render
from seawall.verify.outcome import Outcome
from seawall.verify.ranges import parse
from seawall.verify.ranges import render as render_list
from seawall.verify.verdicts import Verdict, VerdictTable
from verify.lua_side import SOURCE
from verify.signing import sign
from verify.stand_in import Signatures, answering

ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
YANDEX, GPTBOT = 7, 21
V4 = ipaddress.ip_address("77.88.5.1")
FILTER = """
function envoy_on_request(handle)
  local headers = handle:headers()
  local function get(name) return headers:get(name) end
  local asked = verified.question(headers:get(":method"), headers:get(":scheme"),
    headers:get(":authority"), headers:get(":path"), get)
  if asked then
    local answer, body = handle:httpCall("seawall_bots", asked, "", 20000)
    local word, name = verified.answer(body)
    handle:respond({[":status"] = "200"}, word .. " " .. tostring(name))
    return
  end
  local bot = verified.claim(headers:get("user-agent"))
  if not bot then
    handle:respond({[":status"] = "200"}, "nobody")
    return
  end
  local word = verified.state(headers:get("x-test-address"), bot.number, os.time())
  handle:respond({[":status"] = "200"}, word .. " " .. bot.name)
end
"""


def _script(folder: Path, lists: dict[str, str]) -> str:
    data = render(catalogue(), lists)
    opened = f'verified.open("{folder}/verified.map", "{folder}/claims.map")\n'
    return (
        f"local verified = (function()\n{SOURCE.read_text()}\nend)()\n"
        f"verified.use((function()\n{data}\nend)())\n{opened}{FILTER}"
    )


def _bootstrap(port: int, script: str, folder: Path) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters"
    lua = {
        "name": "seawall.bots",
        "typed_config": {
            "@type": f"{kind}.http.lua.v3.Lua",
            "default_source_code": {"inline_string": script},
        },
    }
    router = {"name": "router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}}
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "http_filters": [lua, router],
        "scheme_header_transformation": {"scheme_to_overwrite": "https"},
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"]}]},
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    filters = [{"name": "http", "typed_config": manager}]
    pipe = {"endpoint": {"address": {"pipe": {"path": f"{folder}/bots.sock"}}}}
    cluster = {
        "name": "seawall_bots",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "seawall_bots",
            "endpoints": [{"lb_endpoints": [pipe]}],
        },
    }
    listener = {"name": "l", "address": address, "filter_chains": [{"filters": filters}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _client() -> httpx.Client:
    return httpx.Client(trust_env=False, verify=False, timeout=30)  # noqa: S501 - plain http


_CLIENT = _client()


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EnvoyProcess, int, Path]]:
    folder = tmp_path_factory.mktemp("maps")
    networks, now_s = parse(b"52.230.152.0/24", "text"), int(SystemClock().now_s())
    lists = {"gptbot": render_list("gptbot", networks, fetched_s=now_s)}
    port = free_port()
    bootstrap = _bootstrap(port, _script(folder, lists), folder)
    with running_envoy(bootstrap, concurrency=2) as envoy:
        yield envoy, port, folder


def _get(
    port: int, agent: str, address: str = "", *, client: httpx.Client = _CLIENT, **headers: str
) -> str:
    sent = {"user-agent": agent, "x-test-address": address} | headers
    return client.get(f"http://127.0.0.1:{port}/a?b=1", headers=sent).text


def test_ranges_verify_and_exclude_in_envoy(edge: tuple[EnvoyProcess, int, Path]) -> None:
    _, port, _ = edge
    assert _get(port, "GPTBot/1.2", "52.230.152.9") == "verified gptbot"
    assert _get(port, "GPTBot/1.2", "9.9.9.9") == "impostor gptbot"
    assert _get(port, "Mozilla/5.0 Firefox/140.0", "9.9.9.9") == "nobody"


def test_claims_come_out_and_verdicts_go_in(edge: tuple[EnvoyProcess, int, Path]) -> None:
    envoy, port, folder = edge
    board = ClaimsBoard(folder / "claims.map")
    table = VerdictTable(folder / "verified.map", seed=5)
    assert _get(port, "YandexBot/3.0", "2001:db8::9") == "unknown yandexbot"
    (claim,) = board.take()
    assert claim == Claim(ipaddress.ip_address("2001:db8::9"), YANDEX, claim.at_s)
    assert abs(claim.at_s - SystemClock().now_s()) < 60
    now_s = int(SystemClock().now_s())  # not of the collection, which may be long ago
    good = Verdict(Outcome.VERIFIED, now_s + 600, now_s + 900)
    table.put(V4, YANDEX, good, now_s=now_s)
    answers = {_get(port, "YandexBot/3.0", str(V4)) for _ in range(20)}
    assert answers == {"verified yandexbot"}
    assert envoy.stats("lua.errors").get("http.test.lua.errors", 0) == 0
    table.close()
    board.close()


def test_two_workers_claim_at_once_and_nothing_is_made_up(
    edge: tuple[EnvoyProcess, int, Path],
) -> None:
    _, port, folder = edge
    board = ClaimsBoard(folder / "claims.map")
    board.take()
    wanted = [f"10.{number}.0.1" for number in range(100)]

    def ask(part: list[str]) -> None:
        with _client() as own:  # one pool for all threads would close what another one reads
            for address in part:
                _get(port, "YandexBot/3.0", address, client=own)

    threads = [threading.Thread(target=ask, args=(wanted,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = {str(claim.address) for claim in board.take() if claim.bot == YANDEX}
    assert taken <= set(wanted)
    assert len(taken) >= 90, "claims share places now and then"
    assert board.broken == 0
    board.close()


def test_a_signed_request_is_asked_about(edge: tuple[EnvoyProcess, int, Path]) -> None:
    _, port, folder = edge
    verifier = Signatures()
    signed = dict(sign(ED, covered='"@authority" "signature-agent";key="sig" "accept"').headers)
    signed.pop("user-agent")
    assert _get(port, "x", **signed) == "unknown nil", "no service, no answer"
    with answering(folder / "bots.sock", verifier):
        assert _get(port, "x", **signed) == "verified test-agent"
    (request,) = verifier.asked
    assert (request.method, request.scheme, request.path) == ("GET", "https", "/a?b=1")
    assert request.authority == f"127.0.0.1:{port}"
    assert set(request.headers) == {"signature", "signature-input", "signature-agent", "accept"}
    assert request.headers["signature"] == signed["signature"]


def test_the_filter_is_not_too_large() -> None:
    assert len(_script(Path("/a"), {})) < limits.VERIFY_LUA_SIZE_BYTES_MAX
