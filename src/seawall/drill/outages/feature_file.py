"""Cloudflare, 18 November 2025: a machine-made feature file over a limit nobody had met."""

from typing import Final

from seawall.drill.features.columns import GRANTS, features_of, listed
from seawall.drill.features.generator import bad_files, good_file, model_file
from seawall.drill.flaw import Flaw
from seawall.drill.scene import Change, Drill, Protection, Scene

_CYCLES: Final = 6
_CYCLE_S: Final = 0.5
_GOOD: Final = good_file()

_LUA: Final = """
local count = 0
for _ in string.gmatch(data["features"], "[^,]+") do count = count + 1 end
function envoy_on_request(handle)
  if count > 200 then
    handle:respond({[":status"] = "500"}, "called unwrap() on an Err value")
  end
end
"""


async def _prepare(scene: Scene) -> None:
    """Every replica of the generator asks its database; the worst one comes first."""
    answers = await listed(scene.home / "clickhouse")
    scene.notes.append(f"The list of features was {answers.source}.")
    scene.files.extend(model_file(answers.by_databases[grant]) for grant in reversed(GRANTS))


async def flap(scene: Scene, cycles: int = _CYCLES) -> bool:
    """Good and bad replicas take turns; whether every bad file was held."""
    worst, _, good = scene.files
    held = True
    for cycle in range(cycles):
        held &= await _is_held(scene, good if cycle % 2 else worst)
        await scene.clock.sleep(_CYCLE_S)
    return held


async def _deed(scene: Scene) -> None:
    """The generator flaps, then files come that are wrong in every other way.

    Where nothing holds them the first one has done its harm, and the others are left out.
    """
    worst, doubled, good = scene.files
    held = await flap(scene)
    others = [doubled, *(file.content for file in bad_files(good))]
    pushed = 0
    while held and pushed < len(others):
        held = await _is_held(scene, others[pushed])
        pushed += 1
    scene.notes.append(
        f"{pushed} of {len(others)} further files were pushed, each wrong in another way."
    )
    await _is_held(scene, worst)


async def _is_held(scene: Scene, content: bytes) -> bool:
    """Push a file; whether it did not come into force, or may."""
    harmful = content != _GOOD
    data = features_of(content)
    change = Change(scene.text(), data, actor="generator", harmful=harmful, model=content)
    refused = await scene.fleet.release(change)
    return bool(refused) or not harmful


DRILL: Final = Drill(
    name="feature-file",
    outage="Cloudflare, 18 November 2025",
    title="oversized, duplicated feature file from a flapping generator",
    story=(
        "A database query without a filter on the database saw every column twice. A feature file "
        "that is regenerated every five minutes therefore grew beyond the 200 features for which "
        "the proxy had allocated memory, and the proxy panicked. At first only some database "
        "nodes had the change, so good and bad files alternated. The drill: a generator queries "
        "`system.columns` of a real ClickHouse (chDB), whose replicas see one, two and four "
        "databases with the feature table, and pushes the result into the feed `bot-model`. Then "
        "it pushes files that are wrong in every other way: permuted, truncated, of the wrong "
        "type, too large, with unknown names, or correct in form and wrong in meaning. The data "
        "plane answers 500 above 200 features. No client's score may change."
    ),
    protections=(Protection.BOUNDS, Protection.TASTER, Protection.CANARY),
    flaw=Flaw(_LUA, features_of(_GOOD)),
    deed=_deed,
    prepare=_prepare,
    model=_GOOD,
)
