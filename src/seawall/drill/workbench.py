"""Control's workbench in a drill: compiles for a data plane that has the drill's flaw.

The same process, jobs and gate as an operator's; only the compiler's result is weakened, and the
data that feeds the flaw is checked by the drill's own bounds. What of the protections is switched
off stands in `drill.json`, written by the drill before control starts.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from seawall.api.candidate import Candidate, Maker
from seawall.api.rehearsing import Ask
from seawall.api.workbench import Say, Workbench
from seawall.api.workbench import main as work
from seawall.clock import Clock, SystemClock
from seawall.drill.features.columns import features_of
from seawall.drill.flaw import FEATURES as FLAW_FEATURES
from seawall.drill.flaw import KILLED, Flaw, killed_words, weaken
from seawall.drill.outages import ALL
from seawall.drill.scene import Bounds, Protection, models, unbounded
from seawall.gate.features import FEATURES
from seawall.model import Switch
from seawall.release.release import Kind
from seawall.site.disk import read_file
from seawall.site.load import FileReader, Loaded
from seawall.site.problem import Location, Problem, Severity
from seawall.site.served import Served
from seawall.site.sources import BOT_MODEL, Pushed, SourceFile, SourceSet

ROOT: Final = "/drill/seawall.yaml"
DATA: Final = "/drill/data.json"
OUT_OF_BOUNDS: Final = "drill-data-out-of-bounds"
SETTINGS: Final = "drill.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """Which drill, its flaw, and what of its protections is off."""

    drill: str
    lua: str
    data: dict[str, str]
    off: tuple[str, ...] = ()

    def write(self, home: Path) -> None:
        """Leave it for the workbench in control's private directory."""
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / SETTINGS).write_text(json.dumps(asdict(self)))

    @staticmethod
    def read(home: Path) -> "Settings":
        """As written."""
        return Settings(**json.loads((home / SETTINGS).read_text()))

    @property
    def bounds(self) -> Bounds:
        """Limits and schema of the data; those of a drill that is not listed are none."""
        known = {drill.name: drill.bounds for drill in ALL}
        if Protection.BOUNDS in self.off:
            return unbounded
        return known.get(self.drill, unbounded)


def sources_of(text: str, data: dict[str, str]) -> SourceSet:
    """A release of a drill: its site file, and what feeds the flaw."""
    content = json.dumps(data, sort_keys=True).encode()
    return SourceSet(ROOT, (SourceFile(DATA, content), SourceFile(ROOT, text.encode())))


class FlawedMaker(Maker):
    """Makes candidates for the data plane of a drill."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        super().__init__(clock)
        self._settings = settings

    def load(
        self,
        sources: SourceSet,
        read: FileReader = read_file,
        pushed: Sequence[Pushed] = (),
        served: Served | None = None,
    ) -> Loaded:
        """As `Maker.load`; data over its bounds is a problem of its file."""
        loaded = super().load(_site(sources), read, self._readable(pushed), served)
        loaded = replace(loaded, pushed=tuple(pushed))
        wrong = self._settings.bounds(self._data(sources))
        if not wrong:
            return loaded
        problem = Problem(
            id=OUT_OF_BOUNDS,
            severity=Severity.ERROR,
            location=Location(DATA, 1, 1),
            subject=f"drill {self._settings.drill}",
            what=f"The data is refused: {wrong}.",
            why="The code that reads it was built for less.",
            remedy="Fix the program that makes it. The current data stays in use.",
        )
        return replace(loaded, edge=None, problems=(problem, *loaded.problems))

    def compile(
        self, sources: SourceSet, loaded: Loaded, kind: Kind, switches: Sequence[Switch] = ()
    ) -> Candidate:
        """As `Maker.compile`, for Envoys with the flaw."""
        candidate = super().compile(_site(sources), loaded, kind, switches)
        data = {**self._data(sources), **_consumed(loaded.pushed), KILLED: killed_words(switches)}
        flaw = Flaw(self._settings.lua, data)
        snapshot = weaken(candidate.bundle.snapshot, flaw)
        bundle = replace(candidate.bundle, sources=sources, snapshot=snapshot)
        return replace(candidate, bundle=bundle)

    def _readable(self, pushed: Sequence[Pushed]) -> Sequence[Pushed]:
        """Without bounds nobody reads a model strictly: the one before scores on."""
        if Protection.BOUNDS not in self._settings.off:
            return pushed
        begun = {drill.name: drill.model for drill in ALL}.get(self._settings.drill)
        return models(begun) if any(each.name == BOT_MODEL for each in pushed) else pushed

    def _data(self, sources: SourceSet) -> dict[str, str]:
        content = next((f.content for f in sources.files if f.path == DATA), b"{}")
        return {**self._settings.data, **json.loads(content)}


def _consumed(pushed: Sequence[Pushed]) -> dict[str, str]:
    """What the flawed reader takes of a pushed model."""
    content = next((each.content for each in pushed if each.name == BOT_MODEL), None)
    return {} if content is None else features_of(content)


def _site(sources: SourceSet) -> SourceSet:
    """Without the drill's data."""
    return SourceSet(sources.root, tuple(f for f in sources.files if f.path != DATA))


class DrillBench(Workbench):
    """The workbench with a flawed maker, whose compiler writes the filter that has the flaw."""

    def __init__(self, home: Path, say: Say, ask: Ask) -> None:
        super().__init__(home, say, ask)
        FEATURES.update(dict.fromkeys(FLAW_FEATURES, max(FEATURES.values())))
        self._maker = FlawedMaker(SystemClock(), Settings.read(home))


def main() -> None:
    """As `seawall.api.workbench.main`."""
    work(DrillBench)


if __name__ == "__main__":
    main()
