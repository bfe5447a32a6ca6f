"""What a route matches: model conditions to Envoy's `RouteMatch`.

Path prefixes hold on a `/` boundary: `/api` covers `/api` and `/api/x` but not `/apis`. Envoy's
`path_separated_prefix` says that, but refuses a trailing slash; `/api/` ends on a boundary already
and is a plain prefix.
"""

from typing import Any

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import http_inputs_pb2, regex_pb2, string_pb2
from xds.core.v3 import extension_pb2

from seawall.compiler.wire import packed
from seawall.model import (
    PathExact,
    PathRegex,
    RouteMatch,
    StringMatch,
    StringMatchKind,
)


def compile_match(match: RouteMatch) -> Any:
    """The Envoy match that holds exactly when `match` does."""
    compiled = route_components_pb2.RouteMatch()
    path = match.path
    if isinstance(path, PathExact):
        compiled.path = path.path
    elif isinstance(path, PathRegex):
        compiled.safe_regex.regex = path.regex
    elif path.prefix.endswith("/"):
        compiled.prefix = path.prefix
    else:
        compiled.path_separated_prefix = path.prefix
    if match.methods:
        compiled.headers.append(_method_matcher(match.methods))
    for condition in match.headers:
        compiled.headers.append(_header_matcher(condition))
    for condition in match.query:
        compiled.query_parameters.append(_query_matcher(condition))
    return compiled


def header_is(name: str, matcher: Any) -> Any:
    """A condition on one header."""
    return route_components_pb2.HeaderMatcher(name=name, string_match=matcher)


def request_header(predicate: Any, name: str, pattern: str) -> None:
    """Make `predicate`, of a matcher of filters, true where the whole header fits `pattern`."""
    single = predicate.single_predicate
    single.input.CopyFrom(
        extension_pb2.TypedExtensionConfig(
            name=name,
            typed_config=packed(http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=name)),
        )
    )
    single.value_match.safe_regex.google_re2.SetInParent()
    single.value_match.safe_regex.regex = pattern


def _method_matcher(methods: tuple[str, ...]) -> Any:
    if len(methods) == 1:
        return header_is(":method", string_pb2.StringMatcher(exact=methods[0]))
    any_of = regex_pb2.RegexMatcher(regex="|".join(methods))
    return header_is(":method", string_pb2.StringMatcher(safe_regex=any_of))


def _header_matcher(condition: StringMatch) -> Any:
    if condition.kind in (StringMatchKind.PRESENT, StringMatchKind.ABSENT):
        return route_components_pb2.HeaderMatcher(
            name=condition.name, present_match=condition.kind is StringMatchKind.PRESENT
        )
    return header_is(condition.name, _string_matcher(condition))


def _query_matcher(condition: StringMatch) -> Any:
    if condition.kind in (StringMatchKind.PRESENT, StringMatchKind.ABSENT):
        return route_components_pb2.QueryParameterMatcher(
            name=condition.name, present_match=condition.kind is StringMatchKind.PRESENT
        )
    return route_components_pb2.QueryParameterMatcher(
        name=condition.name, string_match=_string_matcher(condition)
    )


def _string_matcher(condition: StringMatch) -> Any:
    value = condition.value
    match condition.kind:
        case StringMatchKind.EXACT:
            return string_pb2.StringMatcher(exact=value)
        case StringMatchKind.PREFIX:
            return string_pb2.StringMatcher(prefix=value)
        case StringMatchKind.SUFFIX:
            return string_pb2.StringMatcher(suffix=value)
        case StringMatchKind.CONTAINS:
            return string_pb2.StringMatcher(contains=value)
        case _:
            return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=value))
