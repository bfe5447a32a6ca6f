"""Kill switches: a small closed set of features that can be switched off in a hurry, for a while.

A switch is data, carried by a release like everything else; `apply_switches` takes the feature out
of the model and the ordinary compiler does the rest, so there is no second path to a node. Order
does not matter, and a switch for a site that is gone does nothing.

What is not here cannot be killed. That is on purpose for request hardening, TLS and body limits:
no emergency is mended by taking a request in that no server behind the edge could stand.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from seawall.ids import OriginName, SiteName
from seawall.model.bots import BotAction, BotDo, BotMode, BotPolicy
from seawall.model.edge import Edge
from seawall.model.route import Forward, Retries, Route
from seawall.model.site import Site


class Feature(StrEnum):
    """What can be switched off."""

    ACCESS_RECORDS = "access-records"
    BOTS = "bots"
    CHALLENGE = "challenge"
    COMPRESSION = "compression"
    DENY_LISTS = "deny-lists"
    ERROR_PAGES = "error-pages"
    HEALTH_CHECKS = "health-checks"
    OUTLIER_EJECTION = "outlier-ejection"
    RETRIES = "retries"
    SECURITY_HEADERS = "security-headers"
    WEBSOCKETS = "websockets"


@dataclass(frozen=True, slots=True)
class About:
    """What people are told of a feature before they kill it.

    Attributes:
        without: what the edge does while it is off.
        opens: which protection is lost; empty when none. Such a switch needs a reason.
        by_site: it can be switched off for one site alone.
    """

    without: str
    opens: str = ""
    by_site: bool = True


FEATURES: Final[Mapping[Feature, About]] = MappingProxyType(
    {
        Feature.ACCESS_RECORDS: About(
            "No requests are recorded, not even errors.",
            opens="`seawall why` finds nothing, and abuse leaves no trace.",
            by_site=False,
        ),
        Feature.BOTS: About(
            "Nobody is scored, challenged or turned away as a bot. A robots.txt served by the "
            "edge stays.",
            opens="Automated clients get in as people do.",
        ),
        Feature.CHALLENGE: About(
            "Nobody is challenged. Clients that would be challenged are let in and recorded.",
            opens="Automated clients that would be challenged get in.",
        ),
        Feature.COMPRESSION: About(
            "The edge does not compress: responses go out as the origin sent them."
        ),
        Feature.DENY_LISTS: About(
            "Nobody is turned away because of an address list.",
            opens="Addresses on the deny lists get in.",
        ),
        Feature.ERROR_PAGES: About("Errors of the edge are answered with Seawall's plain text."),
        Feature.HEALTH_CHECKS: About(
            "Origins are not probed; every endpoint counts as healthy.",
        ),
        Feature.OUTLIER_EJECTION: About("An endpoint that keeps failing still gets requests."),
        Feature.RETRIES: About("A failed request is not retried: the client gets the failure."),
        Feature.SECURITY_HEADERS: About(
            "Default security headers are not added to responses.",
            opens="Browsers may frame the pages or guess file types.",
        ),
        Feature.WEBSOCKETS: About("WebSocket upgrades are refused; open ones go on."),
    }
)


@dataclass(frozen=True, slots=True)
class Switch:
    """One feature, off until a time.

    Attributes:
        site: only there; None everywhere.
        until_s: Unix seconds; control then makes a release without the switch.
        reason: in the words of who did it; may be empty where nothing is opened.
        actor: who did it.
    """

    feature: Feature
    site: SiteName | None
    until_s: float
    reason: str
    actor: str

    @property
    def words(self) -> str:
        """For people: `compression of site shop`, `retries everywhere`."""
        return switch_words(self.feature, self.site)


def switch_words(feature: Feature, site: SiteName | None) -> str:
    """What a switch takes away, in words."""
    return f"{feature} of site {site}" if site is not None else f"{feature} everywhere"


def with_switch(switches: Iterable[Switch], new: Switch) -> tuple[Switch, ...]:
    """`switches` and `new`, which takes the place of one for the same feature and site."""
    return _ordered([*without_switch(switches, new.feature, new.site), new])


def without_switch(
    switches: Iterable[Switch], feature: Feature, site: SiteName | None
) -> tuple[Switch, ...]:
    """`switches` except the one for `feature` and `site`."""
    return _ordered(s for s in switches if (s.feature, s.site) != (feature, site))


def still_on(switches: Iterable[Switch], now_s: float) -> tuple[Switch, ...]:
    """Those whose time is not over."""
    return _ordered(switch for switch in switches if switch.until_s > now_s)


def apply_switches(edge: Edge, switches: Iterable[Switch]) -> Edge:
    """`edge` without what the switches take away; time plays no part here."""
    for switch in switches:
        edge = _without(edge, switch.feature, switch.site)
    return edge


def shared_with(edge: Edge, feature: Feature, site: SiteName) -> tuple[SiteName, ...]:
    """Other sites that a switch for one site reaches too, because they share its origins."""
    if feature not in (Feature.HEALTH_CHECKS, Feature.OUTLIER_EJECTION):
        return ()
    own = {o for one in edge.sites if one.name == site for o in _origins_of(one)}
    return tuple(
        other.name for other in edge.sites if other.name != site and own & _origins_of(other)
    )


def _ordered(switches: Iterable[Switch]) -> tuple[Switch, ...]:
    return tuple(sorted(switches, key=lambda s: (s.feature, s.site or "")))


def _without(edge: Edge, feature: Feature, site: SiteName | None) -> Edge:
    match feature:
        case Feature.ACCESS_RECORDS:
            return replace(edge, access_log=replace(edge.access_log, off=True))
        case Feature.HEALTH_CHECKS | Feature.OUTLIER_EJECTION:
            return _without_watching(edge, feature, site)
        case _:
            return replace(
                edge,
                sites=tuple(
                    _site_without(one, feature) if site in (None, one.name) else one
                    for one in edge.sites
                ),
            )


def _without_watching(edge: Edge, feature: Feature, site: SiteName | None) -> Edge:
    reached = {o for one in edge.sites if site in (None, one.name) for o in _origins_of(one)}
    checked = feature is Feature.HEALTH_CHECKS
    return replace(
        edge,
        origins=tuple(
            (replace(o, health_check=None) if checked else replace(o, outlier_ejection=None))
            if site is None or o.name in reached
            else o
            for o in edge.origins
        ),
    )


def _origins_of(site: Site) -> set[OriginName]:
    return {route.action.origin for route in site.routes if isinstance(route.action, Forward)}


def _site_without(  # noqa: PLR0911 - one for each feature
    site: Site, feature: Feature
) -> Site:
    match feature:
        case Feature.BOTS:
            return replace(site, bots=replace(site.bots, mode=BotMode.OFF))
        case Feature.CHALLENGE:
            return replace(site, bots=_without_challenge(site.bots))
        case Feature.COMPRESSION:
            return replace(site, compression=())
        case Feature.DENY_LISTS:
            return replace(site, deny=())
        case Feature.ERROR_PAGES:
            return replace(site, error_pages=())
        case Feature.SECURITY_HEADERS:
            return replace(site, response_headers=replace(site.response_headers, set_if_absent=()))
        case Feature.RETRIES | Feature.WEBSOCKETS:
            return replace(site, routes=tuple(_route_without(r, feature) for r in site.routes))
        case _:
            return site


def _without_challenge(bots: BotPolicy) -> BotPolicy:
    """A rule that would challenge notes it, and the next one is asked."""
    observe = BotAction(BotDo.OBSERVE)
    return replace(
        bots,
        rules=tuple(
            replace(rule, action=observe) if rule.action.do is BotDo.CHALLENGE else rule
            for rule in bots.rules
        ),
    )


def _route_without(route: Route, feature: Feature) -> Route:
    action = route.action
    if not isinstance(action, Forward):
        return route
    if feature is Feature.RETRIES:
        return replace(route, action=replace(action, retries=Retries(0, ())))
    return replace(route, action=replace(action, websocket=False))
