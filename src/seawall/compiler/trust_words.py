"""Which proxies a listener trusts, in words.

Trust stands in chains of its own and four fields of their connection managers. It is told once, by
its keys in the site file, and taken out of what is compared field by field.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)

from seawall.compiler import names
from seawall.compiler.addresses import both_forms
from seawall.compiler.route_words import change

_ALWAYS: Final = ("xff_num_trusted_hops", "original_ip_detection_extensions")
_BY_KIND: Final = ("use_remote_address", "early_header_mutation_extensions")
"""Fields that tell counted hops from listed networks, and hold other things besides."""


@dataclass(frozen=True, slots=True)
class _Trust:
    cidrs: tuple[str, ...]
    hops: int

    @property
    def text(self) -> str:
        """The networks as the site file has them: without the form that IPv6 gives to IPv4."""
        made = {f"{a}/{bits}" for cidr in self.cidrs for a, bits in [*both_forms(cidr)][1:]}
        return ", ".join(cidr for cidr in self.cidrs if cidr not in made or ":" not in cidr)


def take_trust(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What changed of the trusted proxies; takes it out of the chains, which are given by name."""
    old, new = _trust_of(before), _trust_of(after)
    if old is None or new is None:
        for chains in (before, after):
            for name in [name for name in chains if name.endswith(names.CHAIN_TRUSTED)]:
                del chains[name]
    else:
        fields = _ALWAYS if bool(old.hops) == bool(new.hops) else (*_ALWAYS, *_BY_KIND)
        for chains in (before, after):
            for name, chain in chains.items():
                if name.endswith(names.CHAIN_TRUSTED):
                    _strip(chain, fields)
    none = _Trust((), 0)
    old, new = old or none, new or none
    if old.cidrs != new.cidrs:
        if old.text == new.text:
            yield "trusted_proxies.cidrs are written differently"
        yield from change("trusted_proxies.cidrs", old.text, new.text)
    yield from change("trusted_proxies.hops", str(old.hops), str(new.hops))


def _trust_of(chains: dict[str, Any]) -> _Trust | None:
    """What the first chain for trusted peers says; all of a listener say the same."""
    for name, chain in chains.items():
        if name.endswith(names.CHAIN_TRUSTED):
            ranges = chain.filter_chain_match.source_prefix_ranges
            cidrs = tuple(f"{one.address_prefix}/{one.prefix_len.value}" for one in ranges)
            return _Trust(cidrs, _manager(chain).xff_num_trusted_hops)
    return None


def _manager(chain: Any) -> Any:
    return hcm_pb2.HttpConnectionManager.FromString(chain.filters[0].typed_config.value)


def _strip(chain: Any, fields: tuple[str, ...]) -> None:
    chain.filter_chain_match.ClearField("source_prefix_ranges")
    manager = _manager(chain)
    for field in fields:
        manager.ClearField(field)
    chain.filters[0].typed_config.value = manager.SerializeToString(deterministic=True)
