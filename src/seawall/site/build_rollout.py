"""How a release is brought out, and what proves that it works: from sections to the model."""

from collections.abc import Iterator

from seawall.ids import SiteName
from seawall.model import Golden, RolloutPolicy, Step, Wave, WithoutTraffic
from seawall.site.schema.edge import ListenSection
from seawall.site.schema.network import is_address
from seawall.site.schema.rollout import RolloutSection
from seawall.site.schema.site import SiteSection
from seawall.site.schema.values import per_cent

ANY_NAME = "localhost"
"""Asked for at a site that takes every name, when the golden request names no host."""
_PERMILLE = 1_000
_SHARE = per_cent(0, 100)


def build_policy(section: RolloutSection) -> RolloutPolicy:
    """The policy that a site file writes, or the defaults."""
    return RolloutPolicy(
        steps=tuple(
            Step(round(step.share * _PERMILLE), step.soak_s, step.deadline_s)
            for step in section.steps
        ),
        waves=tuple(_wave(written) for written in section.waves),
        taste_deadline_s=section.taste_deadline,
        bake_s=section.bake,
        without_traffic=WithoutTraffic(section.without_traffic),
        baseline=section.baseline,
    )


def build_golden(
    name: SiteName, section: SiteSection, listen: ListenSection, *, has_certificate: bool
) -> Iterator[Golden]:
    """The golden requests of one site, in order, with host and scheme decided.

    Args:
        name: of the site.
        section: as written; the rules have said what is wrong with it.
        listen: where the edge listens.
        has_certificate: whether https clients of the site are shown one.
    """
    https = has_certificate and bool(listen.https)
    by_default = https and (section.redirect_to_https or not listen.http)
    for written in section.golden:
        yield Golden(
            site=name,
            host=written.host or default_host(section.hosts),
            path=written.path,
            method=written.method,
            https=by_default if written.https is None else written.https,
            headers=tuple(written.headers.items()),
            status=written.status,
            contains=written.contains or "",
        )


def default_host(hosts: tuple[str, ...]) -> str:
    """The host that a golden request asks for when it names none; empty when there is none."""
    named = sorted((host for host in hosts if "*" not in host), key=is_address)
    exact = next(iter(named), "")
    return exact or (ANY_NAME if "*" in hosts else "")


def _wave(written: str) -> Wave:
    return Wave(share=_SHARE.check(written)) if "%" in written else Wave(group=written)
