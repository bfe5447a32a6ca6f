"""Entry point of the `seawall` command: Ctrl-C while it still loads ends it without a traceback."""

import os
import sys

from seawall.exit_codes import REFUSED


def main() -> None:
    """Run the command of this process."""
    try:
        if sys.argv[1:2] == ["apply"]:
            from seawall.cli import quick  # noqa: PLC0415 - no other command needs it

            code = quick.run(sys.argv[1:], os.environ)
            if code is not None:
                sys.exit(code)
        from seawall.cli.main import main as run  # noqa: PLC0415 - this is what takes its time
    except KeyboardInterrupt:
        sys.exit(REFUSED)
    run()


if __name__ == "__main__":
    main()
