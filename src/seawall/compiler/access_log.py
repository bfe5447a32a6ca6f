"""The access record of a request: which fields, in what form, and which requests are recorded.

Records are NDJSON in `access.ndjson` beside the Envoy process. Errors, requests that Envoy flagged
and slow ones are recorded; of the rest a share that is a runtime key, so that changing the share
never touches a listener. Of each kind a busy node records no more than it allows itself, so that a
flood of one hides none of the others. Query strings are never recorded: they carry tokens.
"""

from typing import Any, Final

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import base_pb2, substitution_format_string_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.type.v3 import percent_pb2
from google.protobuf import struct_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.wire import packed
from seawall.model import AccessLogPolicy

_VALUE: Final = limits.ACCESS_RECORD_VALUE_SIZE_BYTES_MAX
_PATH: Final = limits.ACCESS_RECORD_PATH_SIZE_BYTES_MAX

FIELDS: Final = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "request_id": f"%REQ(X-REQUEST-ID):{_VALUE}%",
    "release": f"%METADATA(VIRTUAL_HOST:{names.METADATA_NAMESPACE}:release)%",
    "route": "%ROUTE_NAME%",
    "method": f"%REQ(:METHOD):{_VALUE}%",
    "host": (
        '%COALESCE({"operators": [{"command": "FILTER_STATE", "param": "seawall.host:PLAIN"},'
        ' {"command": "REQ", "param": ":AUTHORITY"}]})'
        f":{_VALUE}%"
    ),
    "path": (
        '%COALESCE({"operators": [{"command": "FILTER_STATE", "param": "seawall.path:PLAIN"},'
        ' {"command": "PATH", "param": "NQ:PATH"}]})'
        f":{_PATH}%"
    ),
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS(SNAKE_STRING)%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "origin_ms": "%RESPONSE_DURATION%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
    "forwarded_for": f"%REQ(X-FORWARDED-FOR):{_VALUE}%",
    "origin": "%UPSTREAM_CLUSTER_RAW%",
    "endpoint": "%UPSTREAM_HOST%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "user_agent": f"%REQ(USER-AGENT):{_VALUE}%",
    "ja4": "%TLS_JA4_FINGERPRINT%",
    "tls": "%DOWNSTREAM_TLS_VERSION%",
    "bots": f"%DYNAMIC_METADATA({names.FILTER_BOTS}:{names.METADATA_DECISION})%",
}
"""Keys of a record and the Envoy commands that fill them.

What clients choose is cut: a record is written for a request of few bytes (HPACK), and one that is
longer than readers take would be nobody's.
"""

_REFUSED_MIN: Final = 400
_FAILED_MIN: Final = 500
_AT_LEAST: Final = accesslog_pb2.ComparisonFilter.GE
_AT_MOST: Final = accesslog_pb2.ComparisonFilter.LE


def access_log(policy: AccessLogPolicy) -> Any:
    """The access logger of every connection manager."""
    record = struct_pb2.Struct()
    for key, command in FIELDS.items():
        record.fields[key].string_value = command
    extras = (("req_headers", "REQ", policy.request_headers),)
    for key, command, headers in (*extras, ("resp_headers", "RESP", policy.response_headers)):
        for name in headers:
            record.fields[key].struct_value.fields[
                name
            ].string_value = f"%{command}({name}):{_VALUE}%"
    logger = file_pb2.FileAccessLog(
        path=names.ACCESS_FILE,
        log_format=substitution_format_string_pb2.SubstitutionFormatString(
            json_format=record, omit_empty_values=True
        ),
    )
    return accesslog_pb2.AccessLog(
        name="envoy.access_loggers.file", filter=_worth_recording(), typed_config=packed(logger)
    )


def _worth_recording() -> Any:
    flagged = accesslog_pb2.AccessLogFilter()
    flagged.response_flag_filter.SetInParent()
    slow = accesslog_pb2.AccessLogFilter()
    _compare(
        slow.duration_filter, _AT_LEAST, limits.ACCESS_LOG_SLOW_MS, names.RUNTIME_ACCESS_LOG_SLOW_MS
    )
    few_refused = _share(names.RUNTIME_ACCESS_LOG_NODE_REFUSED)
    # Shares compare with one number made from the request id: the smaller of two decides.
    sampled = _all(
        _share(names.RUNTIME_ACCESS_LOG_NODE_SAMPLE), _share(names.RUNTIME_ACCESS_LOG_SAMPLE)
    )
    # An ordinary request that is not recorded is asked no more than one status and its flags, time
    # and share: what it is, is asked of the others, and of those that pass.
    served = _all(
        _any(_all(_any(flagged, slow), few_refused), sampled),
        _status(_AT_MOST, _REFUSED_MIN - 1, names.RUNTIME_ACCESS_LOG_SERVED_STATUS_MAX),
    )
    failed = _all(
        _status(_AT_LEAST, _FAILED_MIN, names.RUNTIME_ACCESS_LOG_FAILED_STATUS_MIN),
        _share(names.RUNTIME_ACCESS_LOG_NODE_FAILED),
    )
    refused = _all(
        _status(_AT_MOST, _FAILED_MIN - 1, names.RUNTIME_ACCESS_LOG_REFUSED_STATUS_MAX), few_refused
    )
    error = _all(
        _status(_AT_LEAST, _REFUSED_MIN, names.RUNTIME_ACCESS_LOG_STATUS_MIN),
        _any(failed, refused),
    )
    # The switch is asked last: most requests of a busy node are not recorded anyway.
    return _all(_any(served, error), _share(names.RUNTIME_ACCESS_LOG_ON))


def _all(*filters: Any) -> Any:
    found = accesslog_pb2.AccessLogFilter()
    found.and_filter.filters.extend(filters)
    return found


def _any(*filters: Any) -> Any:
    found = accesslog_pb2.AccessLogFilter()
    found.or_filter.filters.extend(filters)
    return found


def _status(operator: int, status: int, runtime_key: str) -> Any:
    found = accesslog_pb2.AccessLogFilter()
    _compare(found.status_code_filter, operator, status, runtime_key)
    return found


def _compare(target: Any, operator: int, value: int, runtime_key: str) -> None:
    target.comparison.op = operator
    target.comparison.value.CopyFrom(
        base_pb2.RuntimeUInt32(default_value=value, runtime_key=runtime_key)
    )


def _share(runtime_key: str) -> Any:
    share = accesslog_pb2.AccessLogFilter()
    share.runtime_filter.runtime_key = runtime_key
    share.runtime_filter.percent_sampled.numerator = 1_000_000
    share.runtime_filter.percent_sampled.denominator = percent_pb2.FractionalPercent.MILLION
    return share
