"""Files that the current release was built from, watched for changes on disk.

A renewed certificate should be served without anybody asking. When a referenced file changes, the
current release's own sources are loaded again; if that succeeds, an automatic release goes the
ordinary path. A pair that does not match yet (the certificate is written, the key is not) is a
problem of the load like any other: nothing changes, and the next change on disk is tried again. An
address list that changes is a feed: its release takes up the list and nothing else.
A file that stays bad becomes a notice in `status`. A release of files that was refused is tried
again later, and later still: releases may have been frozen, or the machine busy.

A rollback is a decision, and so is an abort of a release of files: what lies on disk then is left
alone until it changes again, whatever else is released meanwhile. A release that was withdrawn by
itself while it baked was nobody's decision: its files are tried again later. When a control process
takes over from another one, files that are older than the release are left alone too: it was made
on that other machine, and the copy here was left behind.
"""

import asyncio
import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from seawall import limits
from seawall.api.extras import AS_CURRENT, Extras
from seawall.api.follower import STAYS
from seawall.api.order import Order
from seawall.api.progress import Flow
from seawall.api.releaser import Releaser
from seawall.api.status_views import NoticeView
from seawall.api.views import Refused
from seawall.api.work import Facts
from seawall.api.workshop import Workshop
from seawall.clock import Clock
from seawall.errors import ConflictError, SeawallError
from seawall.ids import ListName
from seawall.phrases import few
from seawall.release.bundle import FileDigest
from seawall.release.release import Kind
from seawall.rollout.state import Stage
from seawall.site.disk import read_file
from seawall.site.sources import BOT_MODEL, BOT_SHADOW

AUTHOR: Final = "seawall"
_NAMES_SHOWN: Final = 5
_GRACE_POLLS: Final = 2
"""Polls that a half-written pair may take before it is worth a notice."""

Signature = tuple[tuple[int, int, int] | None, ...]
"""Modification time, size and inode of each file; None for one that cannot be looked at."""


class FileWatch:
    """Polls the files of the current release; use `run` as a task, or call `poll` from a test.

    Args:
        log: told what was found.

    Attributes:
        one_of_several: whether the current release may have been made on another machine.
    """

    def __init__(
        self,
        releaser: Releaser,
        workshop: Workshop,
        clock: Clock,
        *,
        log: Callable[[str, str], None],
    ) -> None:
        self._releaser = releaser
        self._workshop = workshop
        self._clock = clock
        self._log = log
        self.one_of_several = False
        self._left_behind = ""
        self._left: dict[str, str] = {}
        self._unsure = False
        self._by_hand = False
        self._digest = ""
        self._files: tuple[FileDigest, ...] = ()
        self._settled: Signature | None = None
        self._bad_polls = 0
        self._trouble = ""
        self._pause_s = limits.FILES_RETRY_S_MIN
        self._again_s: float | None = None

    async def run(self) -> None:
        """Poll until cancelled."""
        renewed_s = self._clock.monotonic_s()
        while True:
            await self._clock.sleep(limits.CERTIFICATE_POLL_S)
            try:
                await self.poll()
                if self._clock.monotonic_s() - renewed_s >= limits.CERTIFICATE_RENEWAL_POLL_S:
                    await self.renew()
                    renewed_s = self._clock.monotonic_s()
            except SeawallError as error:
                self._log("file-watch-failed", error.message)

    def notice(self) -> NoticeView | None:
        """What is wrong with the files on disk, when it has lasted."""
        if self._left_behind:
            return NoticeView(
                "warning",
                "files-left-behind",
                f"On this machine, {self._left_behind} differ from the current release and are "
                "older.",
                "Bring them up to date. Seawall picks up every further change on disk by itself.",
            )
        if not self._trouble or self._bad_polls <= _GRACE_POLLS:
            return None
        remedy = "Fix the file; Seawall picks it up by itself."
        if self._by_hand:
            remedy = "Seawall ignores it until it changes again; `seawall apply` releases it."
        if self._again_s is not None:
            left_s = max(0.0, self._again_s - self._clock.monotonic_s())
            remedy = (
                f"Seawall retries in {math.ceil(left_s / 60)} min; `seawall apply` retries at "
                "once. If the file is wrong, fix it; Seawall picks it up by itself."
            )
        return NoticeView(
            "warning",
            "files-on-disk-refused",
            f"Files changed on disk but are not served: {self._trouble}",
            f"{remedy} What served before still serves.",
        )

    async def poll(self) -> Flow | None:
        """Look once; returns the release that this began, if any."""
        if self._releaser.busy or not await self._follow_current():
            return None
        if self._unsure:
            if await self._took_back() and self._trouble:
                self._again_s, self._by_hand = None, True
            self._unsure = False
        signature = await asyncio.to_thread(_signature, self._files)
        if self._settled is not None and signature != self._settled:
            self._pause_s = limits.FILES_RETRY_S_MIN
        elif self._settled is not None and self._waits():
            self._bad_polls += bool(self._trouble)
            return None
        changed = await self._changed()
        if not changed:
            self._settle(signature)
            return None
        return await self._reload(signature, changed)

    async def renew(self) -> Flow | None:
        """Load again when a certificate ends soon: a development certificate is made anew then.

        Files come out as they serve, and without such a certificate nothing is released: what is
        on disk is taken up by `poll`, which knows what is to be left alone.
        """
        facts = await self._releaser.current_facts()
        if facts is None or self._releaser.busy:
            return None
        soon_s = self._clock.now_s() + limits.CERTIFICATE_RENEWAL_BEFORE_S
        if not any(certificate.not_after_s < soon_s for certificate in facts.certificates):
            return None
        flow = self._releaser.apply(
            Order(
                sources=facts.sources,
                author=AUTHOR,
                message="Development certificates renewed",
                kind=Kind.CERTIFICATES,
                extras=Extras(pinned=True),
            )
        )
        await flow.wait()
        return flow

    async def _follow_current(self) -> bool:
        """Learn which files the current release was built from; whether they are known."""
        current = self._releaser.current
        digest = current.digest if current else ""
        if digest == self._digest:
            return True
        facts = await self._releaser.current_facts()
        if facts is None and current is not None:
            return False  # the machine may be short of memory just now: it is asked again
        before = await self._releaser.roster.gone_back_from()
        await self._took_back()
        takes_over = self.one_of_several and not self._digest
        self._digest = digest
        self._files = facts.files if facts else ()
        paths = {file.path for file in self._files}
        self._left = {path: was for path, was in self._left.items() if path in paths}
        self._left_behind = ""
        self._settle(None)
        by_itself = before is not None and before.stage == Stage.ROLLED_BACK
        if before is not None and not by_itself:
            self._leave(await asyncio.to_thread(_as_on_disk, self._files))
        elif takes_over and current is not None:
            since_s, files = current.created_s, self._files
            older = await asyncio.to_thread(_older, files, since_s)
            self._files = tuple(older.get(file.path, file) for file in files)
            self._left_behind = _names(tuple(older))
        if before is not None and by_itself:
            await self._try_later(f"{before.id} was withdrawn while it baked.")
        return True

    async def _try_later(self, why: str) -> None:
        """Files that the release went back to does not hold are tried again after a while."""
        signature = await asyncio.to_thread(_signature, self._files)
        changed = await self._changed()
        if changed:
            self._settled = signature
            self._pause(f"Changed on disk: {_names(changed)}. {why}")

    async def _took_back(self) -> bool:
        """Leave alone what a person took back with the newest release, when that was of files."""
        found = await self._releaser.roster.aborted()
        if found is None or found[0].author != AUTHOR or found[0].kind is Kind.SITE:
            return False  # also a person may be called so, and apply a site file
        self._leave((await self._workshop.facts(found[1])).files)
        return True

    def _leave(self, files: Sequence[FileDigest]) -> None:
        self._left |= {file.path: file.sha256 for file in files}

    async def _changed(self) -> list[str]:
        """Paths whose content is not the expected one, but for what is left alone."""
        found = await asyncio.to_thread(_as_on_disk, self._files)
        for file in found:
            if self._left.get(file.path, file.sha256) != file.sha256:
                del self._left[file.path]  # it changed again
        return [
            file.path
            for expected, file in zip(self._files, found, strict=True)
            if expected != file and file.path not in self._left
        ]

    async def _reload(self, signature: Signature, changed: Sequence[str]) -> Flow | None:
        facts = await self._releaser.current_facts()
        if facts is None:
            return None
        lists = {one.path: one.name for one in facts.feeds if one.path}
        if facts.model.path:
            lists[facts.model.path] = BOT_MODEL
        if facts.shadow.path:
            lists[facts.shadow.path] = BOT_SHADOW
        if all(path in lists for path in changed):
            return await self._feed(facts, signature, changed, lists)
        names = _names(changed)
        problem = await self._workshop.renewal_problem(facts)
        if problem:
            trouble = f"{names}: {problem}"
            self._settled = signature
            self._bad_polls = self._bad_polls if self._trouble == trouble else 0
            self._trouble = trouble
            self._log("files-on-disk-refused", trouble)
            return None
        order = Order(
            sources=facts.sources,
            author=AUTHOR,
            message=f"Changed on disk: {names}",
            kind=Kind.CERTIFICATES,
            # Otherwise the files that are left alone would come along.
            extras=Extras(pinned=True, fresh=tuple(changed)) if self._left else AS_CURRENT,
        )
        return await self._release(order, signature)

    async def _feed(
        self,
        facts: Facts,
        signature: Signature,
        changed: Sequence[str],
        lists: Mapping[str, ListName],
    ) -> Flow | None:
        """Lists alone changed: a release of those and of nothing else that may lie on disk."""
        order = Order(
            sources=facts.sources,
            author=AUTHOR,
            message=f"Changed on disk: {_names(changed)}",
            kind=Kind.FEED,
            extras=Extras(pinned=True, fresh=tuple(changed)),
            feed=",".join(sorted(lists[path] for path in changed)),
        )
        return await self._release(order, signature)

    async def _release(self, order: Order, signature: Signature) -> Flow | None:
        try:
            flow = self._releaser.apply(order)
        except ConflictError:
            return None
        self._settle(signature)
        outcome = await flow.wait()
        if isinstance(outcome, Refused):
            first = next((p for p in outcome.problems if p.severity == "error"), None)
            where = f" {first.file}:{first.line}: {first.what}" if first else ""
            self._pause(f"{order.message}. {outcome.message}{where}")
            self._unsure = outcome.code in {*STAYS, Stage.ABORTED.value}
            self._log("files-on-disk-refused", self._trouble)
        return flow

    def _pause(self, trouble: str) -> None:
        self._trouble = trouble
        self._bad_polls = _GRACE_POLLS + 1
        self._again_s = self._clock.monotonic_s() + self._pause_s
        self._pause_s = min(2 * self._pause_s, limits.FILES_RETRY_S_MAX)

    def _waits(self) -> bool:
        """Whether nothing is tried as long as nothing changes on disk."""
        return self._again_s is None or self._clock.monotonic_s() < self._again_s

    def _settle(self, signature: Signature | None) -> None:
        self._settled = signature
        self._trouble = ""
        self._bad_polls = 0
        self._by_hand = False
        self._again_s = None


def _names(paths: Sequence[str]) -> str:
    return few([os.path.basename(path) for path in paths], _NAMES_SHOWN)  # noqa: PTH119 - text


def _signature(files: Sequence[FileDigest]) -> Signature:
    return tuple(_look(file.path) for file in files)


def _look(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - paths of a bundle are text
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _as_on_disk(files: Sequence[FileDigest]) -> tuple[FileDigest, ...]:
    return tuple(FileDigest(file.path, _sha256(file.path)) for file in files)


def _older(files: Sequence[FileDigest], since_s: float) -> dict[str, FileDigest]:
    """Files that are not the expected ones and did not change since then, as they are on disk."""
    changed = sorted({*_as_on_disk(files)} - {*files}, key=lambda file: file.path)
    looks = ((file, _look(file.path)) for file in changed)
    return {file.path: file for file, look in looks if look and look[0] < since_s * 1e9}


def _sha256(path: str) -> str:
    """Of a file; empty when it cannot be read."""
    try:
        return hashlib.sha256(read_file(path)).hexdigest()
    except OSError:
        return ""
