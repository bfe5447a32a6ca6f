"""Real handshakes with real Envoy: one client has one canonical JA4, fresh, resumed and greased.

The Lua modules run inside Envoy here, on the fingerprint that Envoy itself computes.
"""

import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from bots.fingerprint_readers import Reader
from envoy_harness import EnvoyProcess, TlsAuthority, free_port, running_envoy, wait_until
from machine import needs_curl
from seawall.bots import ja4
from seawall.bots.families import ClientFamily
from seawall.bots.script import module

TYPES: Final = "type.googleapis.com/envoy.extensions"
IMAGES: Final = 12
CHROMIUM_TESTED_MAJOR: Final = 156
_MAIN: Final = """
local reader = ja4.new(TABLE)
local agents = agent.new(TABLE)
function envoy_on_request(handle)
  local headers = handle:headers()
  local tls = reader:read(headers:get("x-ja4"))
  local claim = agents:read(headers:get("user-agent"))
  local page = "ja4=%s canonical=%s stable=%s known=%d family=%d grease=%d agent=%d agrees=%d\\n"
  local images = {}
  for n = 1, IMAGES do images[n] = '<img src="/' .. n .. '.png">' end
  handle:respond({ [":status"] = "200", ["content-type"] = "text/html" },
    page:format(headers:get("x-ja4") or "-", tls.canonical, tls.stable, tls.known, tls.family,
      tls.grease, claim.family, agents:agreement(tls, claim)) .. table.concat(images))
end
"""


@dataclass(frozen=True)
class Edge:
    """Envoy with a certificate that names localhost."""

    port: int
    process: EnvoyProcess
    authority: Path

    def shown(self, paths: str) -> list[str]:
        """JA4 of the finished requests for `paths`, a pattern, from the access log."""
        path = self.process.directory / "access.log"
        lines = path.read_text("ascii").splitlines() if path.exists() else []
        found = (line.split(" ") for line in lines)
        return [shown for asked, shown in found if re.fullmatch(paths, asked)]


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    authority = TlsAuthority()
    chain, key = authority.issue("localhost")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ja4-") as name:
        roots = Path(name) / "roots.pem"
        roots.write_bytes(authority.pem)
        arguments = ("--file-flush-interval-msec", "20")
        with running_envoy(_bootstrap(port, chain, key), arguments=arguments) as process:
            yield Edge(port, process, roots)


def test_python_fresh_and_resumed(edge: Edge) -> None:
    context = ssl.create_default_context(cafile=str(edge.authority))
    fresh, session = _ask(edge, context, None)
    resumed, _ = _ask(edge, context, session)
    assert resumed["ja4"] != fresh["ja4"]
    assert resumed["canonical"] == fresh["canonical"]
    assert resumed["stable"] == fresh["stable"]
    for facts in (fresh, resumed):
        # Debian builds its Python with the ciphers of OpenSSL itself.
        assert int(facts["family"]) in (ClientFamily.PYTHON, ClientFamily.OPENSSL_TOOL)
        assert (facts["known"], facts["grease"], facts["agrees"]) == ("3", "1", "3")


@needs_curl
def test_curl_says_who_it_is(edge: Edge) -> None:
    command = ["curl", "-s", "--cacert", str(edge.authority), f"https://localhost:{edge.port}/"]
    facts = _facts(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
    assert int(facts["known"]) >= 2
    assert facts["agent"] == str(int(ClientFamily.CURL))
    assert facts["agrees"] == "3"


@pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")
def test_chromium_is_one_client_through_grease_and_resumption(edge: Edge) -> None:
    with tempfile.TemporaryDirectory(prefix="ja4-") as profile:
        command = [
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--ignore-certificate-errors",
            f"--user-data-dir={profile}",
            "--dump-dom",
            f"https://localhost:{edge.port}/page",
        ]
        page = subprocess.run(command, capture_output=True, check=True, timeout=90).stdout
    facts = _facts(page)
    paths = r"/page|/\d+\.png"
    wait_until(lambda: len(edge.shown(paths)) > IMAGES, what="all images were asked for")
    shown = edge.shown(paths)
    reader = Reader(ja4.lua_table())
    read = [reader.read(text) for text in shown]
    assert len(set(shown)) > 1
    assert len({each["stable"] for each in read}) == 1
    assert facts["stable"] == read[0]["stable"]
    version = subprocess.run([command[0], "--version"], capture_output=True, check=True, timeout=30)
    major = re.search(rb" (\d+)\.", version.stdout)
    assert major is not None
    if int(major[1]) <= CHROMIUM_TESTED_MAJOR:
        # A newer Chromium may be of a generation that the table does not know yet.
        assert len({each["canonical"] for each in read}) == 1
        assert {each["known"] for each in read} == {3}
        assert {each["family"] for each in read} == {ClientFamily.CHROMIUM}
        assert len({text[6:8] for text in shown}) == 2, "fresh and resumed handshakes"
        assert {each["grease"] for each in read} & {2, 3}


def _ask(
    edge: Edge, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[dict[str, str], ssl.SSLSession | None]:
    with (
        socket.create_connection(("127.0.0.1", edge.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as client,
    ):
        client.sendall(
            b"GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: python-urllib/3.11\r\n\r\n"
        )
        answer = b""
        while data := client.recv(65_536):
            answer += data
        assert client.session_reused == (session is not None)
        return _facts(answer), client.session


def _facts(page: bytes) -> dict[str, str]:
    line = re.search(rb"ja4=\S+ [^\n<]*", page)
    assert line is not None, page[:500]
    return dict(pair.split("=", 1) for pair in line[0].decode().split())


def _bootstrap(port: int, chain: bytes, key: bytes) -> dict[str, Any]:
    tls = {
        "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "tls_certificates": [
                {
                    "certificate_chain": {"inline_string": chain.decode()},
                    "private_key": {"inline_string": key.decode()},
                }
            ]
        },
    }
    inspector = {
        "@type": f"{TYPES}.filters.listener.tls_inspector.v3.TlsInspector",
        "enable_ja4_fingerprinting": True,
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "edge",
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                    "listener_filters": [
                        {
                            "name": "envoy.filters.listener.tls_inspector",
                            "typed_config": inspector,
                        }
                    ],
                    "filter_chains": [
                        {
                            "transport_socket": {
                                "name": "envoy.transport_sockets.tls",
                                "typed_config": tls,
                            },
                            "filters": [
                                {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "typed_config": _manager(),
                                }
                            ],
                        }
                    ],
                }
            ]
        }
    }


def _manager() -> dict[str, Any]:
    parts = [f"local {name} = (function()\n{module(name)}\nend)()" for name in ("ja4", "agent")]
    parts += [f"local TABLE = [==[\n{ja4.lua_table()}]==]", f"local IMAGES = {IMAGES}", _MAIN]
    mutation = {
        "@type": f"{TYPES}.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        "mutations": [
            {
                "append": {
                    "header": {"key": "x-ja4", "value": "%TLS_JA4_FINGERPRINT%"},
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                }
            }
        ],
    }
    log = {
        "@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog",
        "path": "access.log",
        "log_format": {
            "text_format_source": {"inline_string": "%REQ(:PATH)% %TLS_JA4_FINGERPRINT%\n"},
        },
    }
    return {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        # One request a connection: a page of images is many handshakes, most of them resumed.
        "common_http_protocol_options": {"max_requests_per_connection": 1},
        "early_header_mutation_extensions": [
            {"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": mutation}
        ],
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": log}],
        "http_filters": [
            {
                "name": "envoy.filters.http.lua",
                "typed_config": {
                    "@type": f"{TYPES}.filters.http.lua.v3.Lua",
                    "default_source_code": {"inline_string": "\n".join(parts)},
                },
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"},
            },
        ],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"]}]},
    }
