"""The bot model of an edge: what was pushed last, a file of the site file, or the starter model."""

from functools import lru_cache
from typing import Final

from seawall.bots import artifact
from seawall.bots.starter import starter_content
from seawall.errors import RefusedError
from seawall.limits import BOT_MODEL_SIZE_BYTES_MAX
from seawall.model import BotModel
from seawall.site.draft import Draft, ModelFault
from seawall.site.files import Named, absolute
from seawall.site.problem import Location
from seawall.site.sources import BOT_MODEL

SUBJECT: Final = "bot model"
_REMEMBERED: Final = 4
"""Contents read several times while one release is made."""


def build_model(draft: Draft) -> None:
    """Read the model; what is wrong with it is a fault of the draft, and there is none."""
    file = draft.top.section.bots.model
    if file is None:
        content = draft.pushed.get(BOT_MODEL)
        where = Location(f"what was pushed into {BOT_MODEL}", 0, 0)
        if content is None:
            draft.built_model = _starter()
            return
    else:
        path = absolute(draft.top.file, file)
        at = draft.top.at("bots", "model")
        content = draft.files.get(Named(path, SUBJECT, at, SUBJECT), BOT_MODEL_SIZE_BYTES_MAX)
        where = Location(path, 1, 1)
        if content is None:
            return
    fault = _fault(content)
    if fault is None:
        draft.built_model = BotModel(artifact.digest(content), content)
    else:
        draft.model_fault = ModelFault(where, *fault)


def _starter() -> BotModel | None:
    content = starter_content()
    return None if content is None else BotModel(artifact.digest(content), content)


@lru_cache(maxsize=_REMEMBERED)
def _fault(content: bytes) -> tuple[str, str] | None:
    """What is wrong with a model, and the remedy."""
    try:
        artifact.read(content)
    except RefusedError as error:
        return error.message, error.remedy
    return None
