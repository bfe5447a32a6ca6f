"""A configuration on its way to an edge: what was written, where, and what was built of it.

The rules look at a `Draft`. It holds the good parts of a file that may have bad ones, so a rule
must not report what follows from a value that was taken out: see `Placed.lost`, `Draft.may_hold`
and `Draft.misses`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import is_
from typing import Generic, TypeVar

from seawall.ids import CertificateName, ListName, OriginName, SiteName
from seawall.model import BotModel, Certificate, IpList, Origin, Site
from seawall.model.clearance import ClearanceKeys
from seawall.secret import Secret
from seawall.site.cache import Known, KnownOrigin, KnownSite, top_of
from seawall.site.feeds.fault import Fault
from seawall.site.files import FileMode, Files
from seawall.site.problem import Location, Problem, Severity
from seawall.site.schema.edge import SiteFile
from seawall.site.schema.origin import OriginSection
from seawall.site.schema.site import CertificateSection, SiteSection
from seawall.site.served import Served
from seawall.site.tree import (
    ListNode,
    MapNode,
    Step,
    find_mark,
    find_node,
    is_damaged,
    is_gone,
    place,
)

SectionT = TypeVar("SectionT")


@dataclass(frozen=True, slots=True)
class Placed(Generic[SectionT]):
    """A section of a file and where it stands.

    Attributes:
        path: keys and indexes from the root of the file.
    """

    section: SectionT
    file: str
    root: MapNode
    path: tuple[Step, ...]

    def at(self, *steps: Step, of_key: bool = False) -> Location:
        """The place of what stands `steps` below; the section's own key when there are none."""
        key = of_key or not steps
        return place(self.file, find_mark(self.root, self.root.at, self.path + steps, of_key=key))

    def items_at(self, step: Step, count: int) -> Sequence[Location]:
        """The places of the first `count` items of the list at `step`."""
        items = find_node(self.root, (*self.path, step))
        if isinstance(items, ListNode) and len(items) >= count:
            return [place(self.file, mark) for mark in items.items_at[:count]]
        return [self.at(step, index) for index in range(count)]

    def gone(self, *steps: Step) -> bool:
        """Whether what was written `steps` below, or an item of that list, could not be read."""
        return self.root.damaged and is_gone(self.root, self.path + steps)

    def lost(self, *steps: Step) -> bool:
        """Whether any of what was written `steps` below could not be read."""
        return self.root.damaged and is_damaged(self.root, self.path + steps)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The files of one certificate, as read; None for what could not be read."""

    chain_path: str
    chain: bytes | None
    key: Secret | None
    location: Location
    key_location: Location
    subject: str


@dataclass(frozen=True, slots=True)
class ModelFault:
    """What is wrong with a bot model; `subject` tells which."""

    subject: str
    at: Location
    what: str
    remedy: str


@dataclass
class Draft:
    """All that is known while loading.

    Attributes:
        top: the site file itself, without what could not be read; so are all parts.
        roots: of all files that could be read.
        unread: whether there are files that could not be read, or not be found.
        twice: parts in which a name is defined twice; only the first of the two is here.
        built_origins: with the place where each was written.
        certificate_files: by certificate name, for those that come from files.
        pushed: what was pushed into feeds, by name.
        served: what serves now; None when that is not known.
        known: what the last load made of sites and origins that may still be written so.
        clean_sites: those in which no rule that looks at one alone finds anything.
        clean_origins: likewise.
        list_faults: of the content of a list, with the place where it is wrong.
    """

    top: Placed[SiteFile]
    sites: dict[SiteName, Placed[SiteSection]]
    origins: dict[OriginName, Placed[OriginSection]]
    certificates: dict[CertificateName, Placed[CertificateSection]]
    roots: list[MapNode]
    unread: bool
    twice: set[str]
    files: Files
    now_s: float
    file_mode: FileMode | None = None
    development_certificate: Callable[[SiteName, tuple[str, ...]], tuple[bytes, Secret]] | None = (
        None
    )
    pushed: Mapping[ListName, bytes] = field(default_factory=dict)
    served: Served | None = None
    built_lists: dict[ListName, IpList] = field(default_factory=dict)
    list_faults: list[tuple[ListName, Location, Fault]] = field(default_factory=list)
    built_model: BotModel | None = None
    built_shadow: BotModel | None = None
    model_faults: list[ModelFault] = field(default_factory=list)
    built_keys: ClearanceKeys | None = None
    built_sites: dict[SiteName, Site] = field(default_factory=dict)
    built_origins: dict[OriginName, Origin] = field(default_factory=dict)
    built_certificates: dict[CertificateName, Certificate] = field(default_factory=dict)
    certificate_files: dict[CertificateName, CertificateFiles] = field(default_factory=dict)
    origin_places: dict[OriginName, Placed[OriginSection]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    known: Known = field(default_factory=Known)
    clean_sites: set[SiteName] = field(default_factory=set)
    clean_origins: set[OriginName] = field(default_factory=set)

    @property
    def serves_already(self) -> bool:
        """Whether what was written is what serves."""
        return self.served is not None and self.served.same_sources

    def error(
        self, id_: str, at: Location, subject: str, what: str, *, why: str = "", remedy: str = ""
    ) -> None:
        """Remember an error found while building."""
        self.problems.append(Problem(id_, Severity.ERROR, at, subject, what, why, remedy))

    def may_hold(self, part: str, name: str) -> bool:
        """Whether `name` may have been defined in something that could not be read."""
        elsewhere = self.unread and part != "lists"  # they stand in the site file itself
        return elsewhere or any(is_gone(root, (part, name)) for root in self.roots)

    def misses(self, part: str) -> bool:
        """Whether entries of `part` were written that are not here."""
        return self.unread or part in self.twice or any(_lacks(root, part) for root in self.roots)

    def alone(self, sites: Iterable[SiteName], origins: Iterable[OriginName]) -> "Draft":
        """The same with none but these sites and origins."""
        names = tuple(sites)
        return replace(
            self,
            sites={name: self.sites[name] for name in names},
            built_sites={name: self.built_sites[name] for name in names},
            origin_places={name: self.origin_places[name] for name in origins},
        )

    def as_before(self) -> tuple[dict[SiteName, KnownSite], dict[OriginName, KnownOrigin]]:
        """The sites and origins of which rules that look at one alone would say what they said."""
        known = self.known
        top = top_of(self.top.section)
        same_top = len(top) == len(known.top) and all(map(is_, top, known.top))
        sites = {
            name: before
            for name, before in (known.sites if same_top else {}).items()
            if (now := self.sites.get(name)) is not None
            and now.section is before.section
            and self.built_sites[name] is before.site
        }
        origins = {
            name: before
            for name, before in known.origins.items()
            if (place := self.origin_places.get(name)) is not None
            and place.section is before.section
        }
        return sites, origins

    def to_know(self) -> Known:
        """What the next load may know of this one; nothing of files that were read with loss."""
        if any(root.damaged for root in self.roots):
            return Known()
        return Known(
            top_of(self.top.section),
            {
                name: KnownSite(placed.section, self.built_sites[name], name in self.clean_sites)
                for name, placed in self.sites.items()
            },
            {
                name: KnownOrigin(
                    placed.section, self.built_origins[name], name in self.clean_origins
                )
                for name, placed in self.origin_places.items()
            },
        )


def _lacks(root: MapNode, part: str) -> bool:
    entries = root.get(part)
    return is_gone(root, (part,)) or (isinstance(entries, MapNode) and bool(entries.lost))
