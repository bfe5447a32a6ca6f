"""The processes: the only place that wires the parts together.

Control and the node agent draw nothing. structlog loads `rich` when it finds it, 5 MiB in each of
the two processes for nothing, so there it is made not to be found.
"""

import sys

_HEADLESS = {"seawall.daemon.control", "seawall.daemon.node"}

if "-m" in sys.orig_argv and _HEADLESS.intersection(sys.orig_argv):
    sys.modules["rich"] = None  # type: ignore[assignment]  # - how Python marks what is not there
