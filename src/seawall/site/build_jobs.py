"""Work at intervals: from the sections of a site file to the model."""

from typing import Any

from pydantic import ValidationError

from seawall.model.jobs import NO_JOBS, Jobs, RangesRenewal, Retraining
from seawall.site.files import absolute
from seawall.site.schema.edge import EdgeBotsSection
from seawall.site.sources import BOT_MODEL, BOT_SHADOW


def jobs_of(path: str, written: Any) -> Jobs:
    """The jobs that the `bots` of a released site file switches on.

    Args:
        path: of the site file; other files are relative to it.
        written: what stands under `bots`; anything that a newer schema refuses switches nothing on.
    """
    try:
        section = EdgeBotsSection.model_validate(written or {})
    except ValidationError:
        return NO_JOBS
    ranges = None if section.ranges is None else RangesRenewal(section.ranges.every)
    return Jobs(_retraining(path, section), ranges)


def _retraining(path: str, section: EdgeBotsSection) -> Retraining | None:
    retrain = section.retrain
    if retrain is None:
        return None
    sessions = retrain.labels.sessions
    return Retraining(
        every_s=retrain.every,
        feed=BOT_SHADOW if retrain.to == "shadow" else BOT_MODEL,
        budget=retrain.budget,
        sessions="" if sessions is None else absolute(path, sessions),
        bot_rules=retrain.labels.bot_rules,
        tool_rules=retrain.labels.tool_rules,
        without=retrain.without,
        database=retrain.database or "",
    )
