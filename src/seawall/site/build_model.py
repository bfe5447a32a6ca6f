"""The bot models of an edge: the one that scores, and a shadow that scores beside it.

Each is what was pushed last or a file of the site file. Without either, the starter model scores,
and there is no shadow.
"""

from functools import lru_cache
from typing import Final, Literal

from seawall.bots import artifact
from seawall.bots.starter import starter_content
from seawall.errors import RefusedError
from seawall.ids import ListName
from seawall.limits import BOT_MODEL_SIZE_BYTES_MAX
from seawall.model import BotModel
from seawall.site.draft import Draft, ModelFault
from seawall.site.files import Named, absolute
from seawall.site.problem import Location
from seawall.site.sources import BOT_MODEL, BOT_SHADOW

SUBJECT: Final = "bot model"
SHADOW_SUBJECT: Final = "shadow bot model"
_REMEMBERED: Final = 4
"""Contents read several times while one release is made."""


def build_models(draft: Draft) -> None:
    """Read both; what is wrong with one is a fault of the draft, and that one is not there."""
    section = draft.top.section.bots
    if section.model is None and BOT_MODEL not in draft.pushed:
        draft.built_model = _starter()
    else:
        draft.built_model = _read(draft, section.model, "model", BOT_MODEL, SUBJECT)
    draft.built_shadow = _read(draft, section.shadow, "shadow", BOT_SHADOW, SHADOW_SUBJECT)


def _read(
    draft: Draft, file: str | None, key: Literal["model", "shadow"], feed: ListName, subject: str
) -> BotModel | None:
    if file is None:
        content = draft.pushed.get(feed)
        where = Location(f"what was pushed into {feed}", 0, 0)
    else:
        path = absolute(draft.top.file, file)
        at = draft.top.at("bots", key)
        content = draft.files.get(Named(path, subject, at, subject), BOT_MODEL_SIZE_BYTES_MAX)
        where = Location(path, 1, 1)
    if content is None:
        return None
    fault = fault_of(content)
    if fault is not None:
        draft.model_faults.append(ModelFault(subject, where, *fault))
        return None
    return BotModel(artifact.digest(content), content)


def _starter() -> BotModel | None:
    content = starter_content()
    return None if content is None else BotModel(artifact.digest(content), content)


@lru_cache(maxsize=_REMEMBERED)
def fault_of(content: bytes) -> tuple[str, str] | None:
    """What is wrong with the file of a model, and the remedy; None when it is good."""
    try:
        artifact.remembered(content)
    except RefusedError as error:
        return error.message, error.remedy
    return None
