"""What a service manager is told of a supervisor: that it is ready, that it ends.

systemd waits for that where the unit says `Type=notify`. Without a manager nothing is sent.
Standard library only. https://www.freedesktop.org/software/systemd/man/sd_notify.html
"""

import os
import socket
from contextlib import suppress
from typing import Final

_SOCKET: Final = "NOTIFY_SOCKET"


def tell_manager(state: str) -> None:
    """Send `READY=1` or `STOPPING=1`. A manager that cannot be reached is no reason to fail.

    Only the process that the manager started is listened to: nothing is lost when children, which
    inherit the address, never use it.
    """
    address = os.environ.get(_SOCKET, "")
    if not address.startswith(("/", "@")):
        return
    abstract = f"\0{address[1:]}" if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(0)  # a manager that hangs holds up nobody
        manager.sendto(state.encode(), abstract)
