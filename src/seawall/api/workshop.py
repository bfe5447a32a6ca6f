"""Control's side of the workbench: hands it jobs, one at a time, and watches over it.

A workbench that crashes, hangs or is killed by the machine costs the job it was doing, never
control: the caller is told, and the next job starts a new one. One that had nothing to do for a
while is ended, because its memory belongs to Envoy. None is used that may be of other files than
control: what the two tell each other has a meaning in one version only.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from seawall import limits
from seawall.api import frames
from seawall.api.bench_process import WORKBENCH, BenchProcess
from seawall.api.extras import AS_CURRENT, Extras
from seawall.api.sampling import Sampled
from seawall.api.status_views import NoticeView
from seawall.api.views import CheckView, Stage
from seawall.api.work import Changes, Compared, Facts, Prepared
from seawall.clock import Clock
from seawall.errors import ConflictError, InternalError, UnreachableError
from seawall.gate.compat import Recipient
from seawall.ids import ListName
from seawall.installation import started_from
from seawall.release.release import Kind
from seawall.site.sources import SourceSet
from seawall.telemetry.samples import Wanted

Step = Callable[[str, Stage, str], None]
"""`started`, `goes-on` or `done`, the stage, and a line for people."""
_REPLACED: Final = "Seawall's own files were replaced after this control process started"
_RESTART: Final = (
    "To switch to the new version without losing a request: `seawall down --keep-serving`, then "
    "`seawall up` with the same options (unless a service manager starts it)."
)
_LOOKS: Final = frozenset({"check", "compare", "changes", "pushed"})
"""Jobs that anybody may ask for who may look, and no release waits for."""
Sampler = Callable[[Wanted], Awaitable[Sampled]]
"""Asks the nodes of a fleet what they have seen."""


def ignore(_state: str, _stage: Stage, _text: str) -> None:
    """For jobs whose steps nobody follows."""


def nobody() -> None:
    """For jobs of which nobody wants to know that a release may come of them."""


class Workshop:
    """Owns at most one workbench process. Use `run` as a task, and `close` at the end.

    Attributes:
        sampler: asks nodes what they have seen, when a job wants to know it; None without a fleet.

    Args:
        home: control's private directory.
        log: told why a workbench ended unasked.
        program: module to run; drills have one of their own.
        first: a workbench that was started already, after `seawall.installation.started_from` was
            asked first; this ends it.
    """

    def __init__(
        self,
        home: Path,
        clock: Clock,
        *,
        log: Callable[[str, str], None],
        program: str = WORKBENCH,
        first: BenchProcess | None = None,
    ) -> None:
        self.sampler: Sampler | None = None
        self._program = program
        self._installation = started_from()
        self._home = home
        self._clock = clock
        self._log = log
        self._turn = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._process = first
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_s = clock.monotonic_s()

    async def prepare(
        self,
        sources: SourceSet,
        kind: Kind,
        force: tuple[str, ...],
        current: bytes | None,
        *,
        validate_same: bool,
        step: Step,
        extras: Extras = AS_CURRENT,
        recipients: tuple[Recipient, ...] = (),
        coming: Callable[[], None] = nobody,
    ) -> Prepared:
        """See `Workbench.prepare`; `coming` is called as soon as it may end in a release."""
        made: Prepared = await self._job(
            *("prepare", sources, kind, force, current),
            step=step,
            coming=coming,
            validate_same=validate_same,
            extras=extras,
            recipients=recipients,
        )
        return made

    async def check(
        self, sources: SourceSet, current: bytes | None, *, full: bool | None
    ) -> CheckView:
        """See `Workbench.check`."""
        checked: CheckView = await self._job("check", sources, current, full=full)
        return checked

    async def compare(
        self, sources: SourceSet, force: tuple[str, ...], current: bytes | None
    ) -> Compared:
        """See `Workbench.compare`."""
        compared: Compared = await self._job("compare", sources, force, current)
        return compared

    async def changes(self, old: bytes | None, new: bytes) -> Changes:
        """See `Workbench.changes`."""
        changes: Changes = await self._job("changes", old, new)
        return changes

    async def facts(self, encoded: bytes) -> Facts:
        """See `Workbench.facts`."""
        facts: Facts = await self._job("facts", encoded)
        return facts

    async def pushed(self, encoded: bytes, name: ListName) -> bytes | None:
        """See `Workbench.pushed`."""
        content: bytes | None = await self._job("pushed", encoded, name)
        return content

    async def renewal_problem(self, current: Facts) -> str:
        """See `Workbench.renewal_problem`."""
        return str(await self._job("renewal_problem", current))

    async def collect(self, path: Path) -> SourceSet:
        """See `Workbench.collect`."""
        sources: SourceSet = await self._job("collect", path)
        return sources

    def notice(self) -> NoticeView | None:
        """That what is on disk is not what runs."""
        if not self._installation.replaced():
            return None
        return NoticeView(
            "warning",
            "installation-replaced",
            f"{_REPLACED}: nothing can be checked or applied until it is restarted. Rollbacks "
            "work.",
            _RESTART,
        )

    @property
    def pid(self) -> int | None:
        """Of the workbench, while there is one."""
        return self._process.pid if self._process else None

    async def run(self) -> None:
        """End an idle workbench, until cancelled."""
        while True:
            await self._clock.sleep(limits.WORKBENCH_IDLE_S / 2)
            idle_s = self._clock.monotonic_s() - self._used_s
            if idle_s >= limits.WORKBENCH_IDLE_S and not self._turn.locked():
                await self.close()

    async def close(self) -> None:
        """End the workbench; a job in progress fails."""
        process, self._process = self._process, None
        line, self._line = self._line, None
        if line is not None:
            line[1].transport.abort()
        if process is not None:
            ended = asyncio.get_running_loop().run_in_executor(None, process.end)
            await asyncio.shield(ended)  # whoever gives up waiting leaves no process behind

    async def _job(
        self,
        name: str,
        *arguments: object,
        step: Step = ignore,
        coming: Callable[[], None] = nobody,
        **options: object,
    ) -> Any:
        # However many look at something, one of them at most stands before a release: whoever may
        # look must not hold up a kill switch.
        async with self._looking if name in _LOOKS else contextlib.nullcontext(), self._turn:
            try:
                async with asyncio.timeout(limits.WORKBENCH_JOB_TIMEOUT_S):
                    return await self._ask((name, arguments, options), step, coming)
            except TimeoutError as error:
                await self.close()
                raise _lost(f"took longer than {limits.WORKBENCH_JOB_TIMEOUT_S} s") from error
            except (OSError, asyncio.IncompleteReadError) as error:
                code = await self._ended()
                self._log("workbench-lost", f"{name}: {code}")
                raise _lost(code) from error
            except asyncio.CancelledError:
                await self.close()
                raise
            finally:
                self._used_s = self._clock.monotonic_s()

    async def _ask(self, request: object, step: Step, coming: Callable[[], None]) -> Any:
        answers, requests = await self._running()
        requests.writelines(frames.framed(request))
        await requests.drain()
        while True:
            kind, value = await frames.receive(answers)
            if kind == "step":
                step(*value)
            elif kind == "coming":
                coming()
            elif kind == "ask":
                requests.writelines(frames.framed(await self._sampled(value, step)))
                await requests.drain()
            elif kind == "done":
                return value
            elif kind == "refused":
                raise _rebuilt(*value)
            else:
                raise InternalError(
                    "internal",
                    "An unexpected error occurred while the site file was processed. The edge "
                    "is not affected.",
                    remedy="Please report this with logs/control.log.",
                    detail=str(value),
                )

    async def _sampled(self, wanted: Wanted, step: Step) -> Sampled | None:
        """What nodes have seen; None where there is no fleet to ask."""
        if self.sampler is None:
            return None
        step("goes-on", "clients", "asking nodes for recent requests")
        try:
            return await self.sampler(wanted)
        except BaseException:
            await self.close()  # it waits for an answer, and would take the next job for one
            raise

    async def _running(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """What the workbench answers, and where it takes requests."""
        if self._process is not None and not self._process.running:
            await self.close()
        if self._line is None:
            if await asyncio.to_thread(self._installation.replaced):
                await self.close()
                raise _replaced()
            if self._process is None:
                self._process = BenchProcess(self._home, self._program)
            self._line = await asyncio.open_connection(
                sock=self._process.line, limit=limits.WORKBENCH_READ_SIZE_BYTES
            )
        return self._line

    async def _ended(self) -> str:
        process = self._process
        if process is None:
            return "it was not running"
        code = await asyncio.to_thread(process.exit_code, limits.WORKBENCH_END_TIMEOUT_S)
        await self.close()
        return "its line broke" if code is None else f"it ended with code {code}"


def _rebuilt(kind: type[Exception], arguments: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(state)
    return error


def _replaced() -> ConflictError:
    return ConflictError(
        "installation-replaced",
        f"{_REPLACED}, so it cannot check or compile anything. Nothing was changed, and what "
        "served before still serves.",
        remedy=_RESTART,
    )


def _lost(how: str) -> UnreachableError:
    return UnreachableError(
        "workbench-lost",
        f"The process that checks and compiles site files was lost ({how}). Nothing was changed.",
        remedy="Try again. If it happens again, the machine may be out of memory, or this site "
        "file triggers a defect: see logs/control.log.",
    )
