"""Who gets a compressed answer, and with which coding: one filter, asleep for most requests.

A composite filter looks at Accept-Encoding and makes the one compressor that it needs, none for a
client that names no coding, and none for HEAD. Its chains and the rule of sites that set none stand
in the connection manager, so a usual site says nothing in its routes; another one has its own rule
there, which drains nobody. Of the codings that a client accepts the first in the order of the site
is taken: any of them is right (RFC 9110 section 12.5.3), and one with a weight of zero is never
taken.
"""

from functools import lru_cache
from typing import Any, Final

from xds.type.matcher.v3 import matcher_pb2

from seawall.compiler import names
from seawall.compiler.composite import composite_filter, composite_switch, matcher_of, run_chain
from seawall.compiler.compressors import compressor
from seawall.compiler.matching import request_header
from seawall.compiler.wire import FILTER_OFF
from seawall.model import Compression

USUAL: Final = tuple(Compression)
"""What a site compresses with that says nothing of it, the preferred coding first."""

_WEIGHT_ABOVE_ZERO: Final = r"(?:1(?:\.0*)?|0\.\d*[1-9]\d*)"
_ORDERS_REMEMBERED_MAX: Final = 32


def compression_filter() -> Any:
    """The filter as it stands in the connection manager: with the rule of usual sites."""
    return composite_filter(
        _rule(USUAL), {coding.value: compressor(coding) for coding in Compression}
    )


def compress(
    compiled: Any, codings: tuple[Compression, ...], inherited: tuple[Compression, ...] = USUAL
) -> None:
    """Let the edge compress what a virtual host or route answers, preferably with the first coding.

    Args:
        compiled: the virtual host or route.
        codings: none leaves answers as they are.
        inherited: what holds for it without a word; for a route the codings of its host.
    """
    if codings != inherited:
        switch = _switch(codings) if codings else FILTER_OFF
        compiled.typed_per_filter_config[names.FILTER_COMPRESS].CopyFrom(switch)


def codings_of(
    compiled: Any, inherited: tuple[Compression, ...] = USUAL
) -> tuple[Compression, ...]:
    """The codings of a compiled virtual host, or of a route whose host has `inherited`."""
    switch = compiled.typed_per_filter_config.get(names.FILTER_COMPRESS)
    if switch is None:
        return inherited
    outer = matcher_of(switch).matcher_list.matchers
    inner = outer[0].on_match.matcher.matcher_list.matchers if outer else ()
    return tuple(Compression(entry.on_match.action.name) for entry in inner)


@lru_cache(maxsize=_ORDERS_REMEMBERED_MAX)
def _switch(codings: tuple[Compression, ...]) -> Any:
    """The packed `FilterConfig` of a route or host; shared, so never change what is returned."""
    return composite_switch(_rule(codings))


def _rule(codings: tuple[Compression, ...]) -> Any:
    matcher = matcher_pb2.Matcher()
    # Asked first, so that a client without the header costs one question and not one for each.
    naming = matcher.matcher_list.matchers.add()
    both = naming.predicate.and_matcher.predicate
    request_header(both.add(), "accept-encoding", ".+")
    # An answer to HEAD has no body. An HTTP/2 origin may end it after the headers, and the end of a
    # compressed body would follow it then, to be taken for the next answer of the connection.
    request_header(both.add().not_matcher, ":method", "HEAD")
    for coding in codings:
        entry = naming.on_match.matcher.matcher_list.matchers.add()
        request_header(entry.predicate, "accept-encoding", _accepts(coding))
        run_chain(entry.on_match, coding.value)
    # A client that accepts none of them: the compressor sees that too and only adds `vary`.
    run_chain(naming.on_match.matcher.on_no_match, codings[0].value)
    return matcher


def _accepts(coding: Compression) -> str:
    """A pattern for an Accept-Encoding that lists `coding` with a weight above zero."""
    weight = rf"(?:\s*;\s*[qQ]={_WEIGHT_ABOVE_ZERO})?"
    return rf"(?:.*,)?\s*{coding.value}{weight}\s*(?:,.*)?"
