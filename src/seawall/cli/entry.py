"""Entry point of the `seawall` command: Ctrl-C while it still loads ends it without a traceback."""

import sys

from seawall.exit_codes import REFUSED


def main() -> None:
    """Run the command of this process."""
    try:
        from seawall.cli.main import main as run  # noqa: PLC0415 - this is what takes its time
    except KeyboardInterrupt:
        sys.exit(REFUSED)
    run()
