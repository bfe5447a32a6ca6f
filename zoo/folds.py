"""Judges the way a model is trained, on every family: one model for each fold, without that fold.

A single split says nothing about the families it learned from. Here every family, and every stretch
of time of the people, is judged once, by a model that knew nothing of it. The model that is shipped
learns from all; it should do no worse than these.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from seawall.bots import artifact
from seawall.bots.model import Model
from seawall.learn import scoring
from zoo import dataset
from zoo.kinds import Session
from zoo.report import Report, Scorer, Seen, calibrated, codes_of, seen, summed
from zoo.split import folds

COUNT = 5
_TRAINING_S = 600
Trainer = Callable[[Path, Sequence[Session]], Model]
"""Makes a model from the records in a folder, learning from these sessions alone."""


def judge(folder: Path, budget: float, train: Trainer, count: int = COUNT) -> Report:
    """The report over all folds; each fold has a threshold of its own.

    Args:
        folder: the data set.
        budget: share of people that may be detected.
        train: makes the models.
        count: of folds.
    """
    sessions = dataset.read_sessions(folder)
    records = list(dataset.read_records(folder))
    vectors = sorted({codes for record in records if (codes := codes_of(record))})
    known = {one.session.session for one in seen(sessions, records)[0]}
    found: list[Seen] = []
    people = 0
    models = []
    for halves in folds([s for s in sessions if s.session in known], count):
        model = train(folder, [s for s in sessions if s.session in halves.train])
        scored, _ = seen(sessions, records, _scorer(model, vectors))
        marked, calibrated_on = calibrated(scored, halves, budget)
        found += [one for one in marked if one.unseen]
        people += calibrated_on
        models.append(artifact.digest(artifact.write(model))[:8])
    missing = len(sessions) - len(known)
    return summed(found, budget, calibrated_on=people // count, missing=missing, models=models)


def _scorer(model: Model, vectors: Sequence[tuple[int, ...]]) -> Scorer:
    """As `scorer_of`, of these vectors alone: all of them are scored at once."""
    scores = scoring.scores(model, np.array(vectors, dtype=np.uint8))
    known = {codes: int(score) for codes, score in zip(vectors, scores, strict=True)}
    return lambda record: known.get(codes_of(record))


def seawall_trainer(without: Sequence[str] = ()) -> Trainer:
    """As an operator does it: `seawall bots train`; a model that it refuses is judged all the same.

    Args:
        without: features, or groups of them, that are left out.

    The trainer raises RuntimeError when no model came of it; the message holds what was said.
    """
    return lambda folder, sessions: _train(folder, sessions, without)


def _train(folder: Path, sessions: Sequence[Session], without: Sequence[str]) -> Model:
    with tempfile.TemporaryDirectory(prefix="zoo-fold-") as place:
        home = Path(place)
        dataset.write_sessions(home, sessions)
        ended = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "seawall.cli.main", "bots", "train"),
                *("--records", str(folder / dataset.RECORDS)),
                *("--sessions", str(home / dataset.SESSIONS)),
                *("--out", str(home / "model.json"), "--report", str(home / "report")),
                *(word for name in without for word in ("--without", name)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TRAINING_S,
        )
        for file in (home / "model.json", home / "report" / "refused-model.json"):
            if file.exists():
                return artifact.read(file.read_bytes())
    raise RuntimeError(f"no model: {ended.stdout[-1000:]}{ended.stderr[-1000:]}")
