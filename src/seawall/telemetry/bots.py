"""What the bot filter decided of one request, read back from the field `bots` of its record.

The text is `SCORE ACTION RULE VERIFIED CLEARANCE MODEL VECTOR CLIENT`, single spaces between, `-`
for what is absent; where a shadow is in force, `SCORE:MODEL` of it stands before the vector
(docs/access-records.md). It is read strictly and whole: a text that the filter would not have
written gives None, since half a verdict would tell a wrong story. Pure.
"""

import re
from dataclasses import dataclass
from typing import Final

from seawall.bots.features import INDEX, from_text
from seawall.limits import BOT_FEATURES_MAX, BOT_RECORD_LENGTH_CHARS_MAX
from seawall.model import BotDo

_NAME: Final = r"[a-z0-9][a-z0-9._:-]{0,79}"
_TEXT: Final = re.compile(
    r"(?P<score>-|[1-9][0-9]?) "
    rf"(?P<action>{'|'.join(BotDo)}) "
    rf"(?P<rule>-|{_NAME}(?:\+{_NAME})*) "
    rf"(?P<proof>-|(?:verified|impostor|unknown):{_NAME}) "
    r"(?P<clearance>-|ok:[1-9]|expired|invalid) "
    r"(?P<model>-|[0-9a-f]{8}) "
    r"(?:(?P<own>-|[1-9][0-9]?):(?P<shadow>[0-9a-f]{8}) )?"
    rf"(?P<vector>[#-}}]{{1,{BOT_FEATURES_MAX}}}) "
    r"(?P<client>[0-9a-f]{16})\.(?P<place>-1|[0-9]{1,7})",
    re.ASCII,
)
_NONE: Final = "-"
_UNCOUNTED: Final = "-1"


@dataclass(frozen=True, slots=True)
class BotVerdict:
    """What was known of a request, and what was done.

    Attributes:
        score: 1 (automated) to 99 (human); None when there is none, which is a state of its own.
        action: what was done; in mode `observe` always `observe`.
        rules: rules that were noted, and last the one that decided; empty when none held.
        proof: `verified`, `impostor` or `unknown` for a client that names a known bot, else empty.
        bot: the bot that it names; empty without one.
        clearance: `ok`, `expired` or `invalid`; empty when the client showed none.
        level: of the clearance; 0 unless it is `ok`.
        model: first 8 hex digits of the digest of the model in force; empty when there was none.
        codes: the feature vector, 0 where a feature is absent.
        counted: the client's windows are kept; without them its past is absent.
        client: hash of the client's network, handshake and family.
        shadow: first 8 hex digits of the digest of the shadow; empty when there was none.
        shadow_score: what it gave; None when it was not asked, or could not tell.
    """

    score: int | None
    action: BotDo
    rules: tuple[str, ...]
    proof: str
    bot: str
    clearance: str
    level: int
    model: str
    codes: tuple[int, ...]
    counted: bool
    client: str
    shadow: str
    shadow_score: int | None

    def code(self, feature: str) -> int:
        """The code of a feature by its name; 0 when it is absent."""
        return self.codes[INDEX[feature]]


def parse_verdict(text: str) -> BotVerdict | None:
    """The verdict in a record's field `bots`; None when the text is none."""
    found = _TEXT.fullmatch(text) if len(text) <= BOT_RECORD_LENGTH_CHARS_MAX else None
    codes = from_text(found["vector"]) if found else None
    if found is None or codes is None:
        return None
    score, shadow_score = _score(found["score"]), _score(found["own"] or _NONE)
    if score is not None and found["model"] == _NONE:
        return None
    if shadow_score is not None and score is None:
        return None
    proof, _, bot = found["proof"].partition(":")
    clearance, _, level = found["clearance"].partition(":")
    return BotVerdict(
        score=score,
        action=BotDo(found["action"]),
        rules=() if found["rule"] == _NONE else tuple(found["rule"].split("+")),
        proof=proof.removeprefix(_NONE),
        bot=bot,
        clearance=clearance.removeprefix(_NONE),
        level=int(level or 0),
        model=found["model"].removeprefix(_NONE),
        codes=codes,
        counted=found["place"] != _UNCOUNTED,
        client=found["client"],
        shadow=found["shadow"] or "",
        shadow_score=shadow_score,
    )


def _score(text: str) -> int | None:
    return None if text == _NONE else int(text)
