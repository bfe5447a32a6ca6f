"""What the edge says when it answers itself: a site's own error pages, else a short plain reply.

Only replies that Envoy makes are touched; what an origin says passes unchanged, also its errors,
and so does a fixed response that the site file asks for, or an answer of the bot filter. A reply
never tells which origin, address or reason was behind an error: it carries the request id, and
`seawall why` knows the rest.

The rules stand in the connection manager and never change. The pages themselves are metadata of
the site's virtual host, so that editing a page is a change of routes and drains nobody. An ordinary
request pays nothing: the rules run only when Envoy answers itself. Envoy's custom_response filter
would do the same, but is marked as work in progress, its pages do not survive the rules below, and
with `preserve_response_code_details` it logged freed memory.
"""

from typing import Any, Final

from envoy.config.core.v3 import base_pb2, extension_pb2
from envoy.config.core.v3 import cel_pb2 as core_cel_pb2
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2 as filter_cel_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from envoy.extensions.formatter.cel.v3 import cel_pb2 as formatter_cel_pb2
from google.protobuf import struct_pb2

from seawall.compiler.access_log import FIELDS
from seawall.compiler.wire import add_newer, inline_text, packed
from seawall.model import EDGE_STATUSES, ErrorPage

PAGES_NAMESPACE: Final = "seawall.pages"
"""Namespace of the virtual host's metadata that holds pages by status and their types."""
TYPES_NAMESPACE: Final = "seawall.page_types"

_TEXT = "Error %RESPONSE_CODE%. Request id: %REQ(X-REQUEST-ID)%\n"
_TIME = FIELDS["time"]
_TEXT_WITHOUT_ID = (
    f"Error %RESPONSE_CODE% at {_TIME}. The request was refused before it had an id.\n"
)
"""Envoy gives no id to what it cannot read as a request: the time leads to its record."""
_OWN_ANSWER = "response.code_details in ['direct_response', 'lua_response']"
_PAGES = f"xds.virtual_host_metadata.filter_metadata['{PAGES_NAMESPACE}']"
_TYPES = f"xds.virtual_host_metadata.filter_metadata['{TYPES_NAMESPACE}']"
_STATUS_KEY = (
    " : ".join(f"response.code == {status} ? '{status}'" for status in EDGE_STATUSES) + " : ''"
)
_NOT_GRPC = (  # there the body becomes the `grpc-message`, which is a line for people
    "!('content-type' in request.headers"
    " && request.headers['content-type'].startsWith('application/grpc'))"
)
_HAS_PAGE = (
    f"{_NOT_GRPC} && "
    f"'{PAGES_NAMESPACE}' in xds.virtual_host_metadata.filter_metadata"
    f" && string(response.code) in {_PAGES}"
)
_ID = (  # of what is refused before it has one, the header is what the client wrote, if anything
    "'x-request-id' in request.headers"
    " && request.headers['x-request-id'].matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')"
    " ? request.headers['x-request-id'] : string(request.time)"
)
_PAGE = f"%CEL({_PAGES}[string(response.code)].replace('{{request_id}}', {_ID}))%"
_PAGE_TYPE = f"%CEL({_TYPES}[{_STATUS_KEY}])%"
_CEL = core_cel_pb2.CelExpressionConfig(enable_string_conversion=True, enable_string_functions=True)
_FORMATTER_CEL_CONFIG_FIELD = 1


def default_replies() -> Any:
    """The rules for every reply that Envoy makes itself; the first that holds decides."""
    config = hcm_pb2.LocalReplyConfig()
    config.body_format.text_format_source.CopyFrom(inline_text(_TEXT))
    config.body_format.content_type = "text/plain; charset=utf-8"
    own = config.mappers.add()
    own.filter.CopyFrom(_when(_OWN_ANSWER))
    own.body_format_override.text_format_source.inline_string = "%LOCAL_REPLY_BODY%"
    page = config.mappers.add()
    page.filter.CopyFrom(_when(_HAS_PAGE))
    page.body_format_override.text_format_source.inline_string = _PAGE
    formatter = formatter_cel_pb2.Cel()
    add_newer(formatter, _FORMATTER_CEL_CONFIG_FIELD, _CEL)
    page.body_format_override.formatters.append(
        extension_pb2.TypedExtensionConfig(
            name="envoy.formatter.cel", typed_config=packed(formatter)
        )
    )
    page.headers_to_add.add(append_action="OVERWRITE_IF_EXISTS_OR_ADD").header.CopyFrom(
        base_pb2.HeaderValue(key="content-type", value=_PAGE_TYPE)
    )
    json = config.mappers.add()
    json.filter.header_filter.header.name = "accept"
    json.filter.header_filter.header.string_match.contains = "application/json"
    fields = json.body_format_override.json_format.fields
    fields["status"].string_value = "%RESPONSE_CODE%"
    fields["request_id"].string_value = "%REQ(X-REQUEST-ID)%"
    fields["time"].string_value = _TIME
    without_id = config.mappers.add()
    without_id.filter.header_filter.header.name = "x-request-id"
    without_id.filter.header_filter.header.present_match = False
    without_id.body_format_override.text_format_source.CopyFrom(inline_text(_TEXT_WITHOUT_ID))
    return config


def error_pages(pages: tuple[ErrorPage, ...]) -> dict[str, Any]:
    """Metadata by namespace that gives a site its `pages`; the first page for a status wins."""
    if not pages:
        return {}
    bodies, types = struct_pb2.Struct(), struct_pb2.Struct()
    for status in EDGE_STATUSES:
        page = next((p for p in pages if p.status_min <= status <= p.status_max), None)
        if page is not None:
            body = page.body.replace("{status}", str(status))
            bodies.fields[str(status)].string_value = body
            types.fields[str(status)].string_value = page.content_type
    return {PAGES_NAMESPACE: bodies, TYPES_NAMESPACE: types}


def _when(expression: str) -> Any:
    condition = filter_cel_pb2.ExpressionFilter(expression=expression)
    condition.cel_config.CopyFrom(_CEL)
    holder = hcm_pb2.ResponseMapper().filter
    holder.extension_filter.name = "envoy.access_loggers.extension_filters.cel"
    holder.extension_filter.typed_config.CopyFrom(packed(condition))
    return holder
