"""A short soak of a real edge: nothing is broken by it, and what breaks is told."""

import signal
from collections.abc import Iterator
from pathlib import Path

from tools.soak.__main__ import prepared
from tools.soak.plan import Death, Deed, Kind, Victim

from helpers import wait_until


def test_a_short_soak_and_a_death_that_nobody_forgives(tmp_path: Path) -> None:
    with prepared(tmp_path, "a test") as soak:

        def plan() -> Iterator[Deed]:
            yield Deed(1, Kind.BROKEN, broken="colour: red")
            yield Deed(2, Kind.DEATH, deaths=(Death(Victim.WORKBENCH, 0.0),))
            yield Deed(3, Kind.BACK, deaths=(Death(Victim.CONTROL, 0.0),))
            assert soak.journal.broken == []
            serves = soak.edge.stable()
            assert serves is not None
            serves.send(signal.SIGKILL)  # and the soak was not told
            wait_until(lambda: not serves.alive(), what="it is gone")
            wait_until(lambda: soak.visitors.one().status == 200, what="another one serves")
            yield Deed(4, Kind.ABORT)

        soak.run(plan(), seconds=60.0)
        table = soak.table()
    assert soak.journal.broken
    assert [text for text in soak.journal.broken if " failed requests: " not in text] == []
    assert soak.served.failed > 0
    assert soak.served.well > soak.served.failed
    assert soak.account.rests == 1
    assert soak.account.deaths == {Victim.WORKBENCH: 1, Victim.CONTROL: 1}
    assert soak.account.ends[Kind.BROKEN, 1] == 1
    assert f"{'broken site file':<30}{1:>7}{0:>7}{1:>9}{0:>14}" in table
    assert f"{'served':<30}{soak.served.well:>7,}" in table
