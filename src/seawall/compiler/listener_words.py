"""Differences of listeners and of the bootstrap in words: keys of the site file, and each once.

What holds for the whole edge stands in every chain of every certificate; told for each of them, one
changed bound would fill the screen. What has no word here is told by its place in Envoy's message.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from seawall.compiler import names
from seawall.compiler.differ import Difference, differences, words

_FILTER: Final = re.compile(r"^filters\[\d+\]\.typed_config\.")
_INDEX: Final = re.compile(r"\[\d+\]")
_LABELS: Final = {
    "common_http_protocol_options.idle_timeout": "limits.idle_timeout",
    "common_http_protocol_options.max_headers_count": "limits.max_headers",
    "http2_protocol_options.max_concurrent_streams": "limits.max_http2_streams",
    "listener_filters_timeout": "time for a handshake",
    "max_request_headers_kb": "limits.max_header_size in KiB",
    "overload_manager.resource_monitors.typed_config.max_active_downstream_connections": (
        "limits.max_connections"
    ),
    "overload_manager.resource_monitors.typed_config.max_heap_size_bytes": (
        "limits.max_heap in bytes"
    ),
    "request_headers_timeout": "limits.header_timeout",
    "request_timeout": "limits.request_timeout",
    "stream_idle_timeout": "limits.idle_timeout",
    "transport_socket.typed_config.common_tls_context.tls_params.tls_minimum_protocol_version": (
        "tls.min_version"
    ),
    "transport_socket_connect_timeout": "time for a handshake",
    "access_log.typed_config.log_format.json_format.fields[req_headers]": (
        "access_log.request_headers"
    ),
    "access_log.typed_config.log_format.json_format.fields[resp_headers]": (
        "access_log.response_headers"
    ),
    "filter_chain_match.server_names": "hosts",
}


def told(difference: Difference) -> str:
    """One difference of a listener, chain or bootstrap as a phrase."""
    path = _FILTER.sub("", difference.path)
    label = _LABELS.get(_INDEX.sub("", path))
    return words(replace(difference, path=label or difference.path), {})


def take_proxy_protocol(listener: Any) -> bool:
    """Whether connections must begin with a PROXY header; takes what says so out of `listener`."""
    kept = [one for one in listener.listener_filters if one.name != names.FILTER_PROXY_PROTOCOL]
    asked = len(kept) < len(listener.listener_filters)
    del listener.listener_filters[:]
    listener.listener_filters.extend(kept)
    return asked


def chain_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What changed in the chains that were and are there; what changed in all of them, once."""
    kept = [name for name in sorted(before) if name in after]
    found = {
        name: dict.fromkeys(map(told, differences(before[name], after[name]))) for name in kept
    }
    everywhere = (
        [text for text in found[kept[0]] if all(text in found[k] for k in kept)] if kept else []
    )
    yield from everywhere
    for name in kept:
        yield from (f"chain {name!r}: {text}" for text in found[name] if text not in everywhere)
