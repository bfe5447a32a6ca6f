"""The largest data set that is taken fits into the memory that a scheduled training may use."""

import tracemalloc

import lightgbm
import numpy as np
import pytest

from seawall import limits
from seawall.bots.features import FEATURES
from seawall.learn import train
from seawall.learn.rows import CLASSES, Rows
from seawall.learn.split import Split

ROWS = 4_000
_OTHERS_SHARE = 0.25
"""For what is not counted here: the interpreter, ClickHouse, and the bins of LightGBM."""


class _GrownError(Exception):
    """Everything that the trainer holds itself is in memory now."""


def _rows() -> Rows:
    chance = np.random.default_rng(1)
    label = np.arange(ROWS) % 2 * CLASSES.index("bot")
    return Rows(
        tuple(feature.name for feature in FEATURES),
        chance.integers(1, 8, (ROWS, len(FEATURES)), dtype=np.uint8),
        label,
        label.copy(),
        ("people", "", "bots"),
        np.arange(ROWS),
        np.ones(ROWS, dtype=np.int64),
        np.arange(ROWS, dtype=np.float64),
        np.ones(ROWS),
    )


def test_the_largest_data_set_fits_into_the_memory_of_a_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def grown(*_: object, **__: object) -> None:
        raise _GrownError

    monkeypatch.setattr(lightgbm, "train", grown)
    rows, place = _rows(), np.arange(ROWS) % 10
    none = np.zeros(ROWS, dtype=np.bool_)
    parts = Split(place < 8, place == 8, none, place == 9, ())
    tracemalloc.start()
    try:
        with pytest.raises(_GrownError):
            train.train(rows, parts, train.Naming("big", "2026-11-28"), seed=1, threads=1)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    most = (1 - _OTHERS_SHARE) * limits.JOB_MEMORY_BYTES_MAX
    each = peak_bytes / ROWS
    assert each * limits.LEARN_ROWS_MAX <= most, f"{each:.0f} bytes of a row"
