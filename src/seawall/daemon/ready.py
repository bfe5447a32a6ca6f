"""What the operator sees while `seawall up` starts: the first release, and proof that it serves.

A short-lived child of the supervisor. It offers the site file to control when its content was
never released, waits until the node serves, sends one request through Envoy and prints where to
look. It ends with 0 when the edge serves (the new release or the one before), and with 1 when
there is nothing to serve; the supervisor then stops everything.

A restart must not undo a decision: a site file that was released before and is not current (because
somebody rolled back) is not released again by starting, whatever was released or updated since;
`seawall apply` does that.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.api.calls import is_running
from seawall.api.client import Client
from seawall.api.status_views import StatusView
from seawall.api.views import NO_ROLLOUT, ApplyEvent, Refused, ReleaseView
from seawall.clock import Clock, SystemClock
from seawall.console.output import Output, joined, styled
from seawall.console.progress import follow
from seawall.console.words import argument, duration
from seawall.daemon.ports import require_free
from seawall.daemon.probe import probe
from seawall.daemon.processes import START_BROKE, envoys, hardly_starts, user_name
from seawall.daemon.telling import say_that_it_serves
from seawall.errors import ConflictError, SeawallError, UnreachableError
from seawall.ids import ReleaseId
from seawall.node.state import StateFile
from seawall.site.collect import collect
from seawall.site.sources import SourceSet

_POLL_S: Final = 0.02
_ORIGIN_TROUBLE: Final = frozenset({502, 503, 504})
_RELEASES_COMPARED: Final = 200
_EXIT_SERVES: Final = 0
_EXIT_NOTHING: Final = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Start the edge's first release; see the module."""
    parser = argparse.ArgumentParser(prog="seawall up")
    parser.add_argument("--config", required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--format", choices=("text", "json"), required=True)
    parser.add_argument("--serving-fd", type=int)
    options = parser.parse_args(argv)
    output = Output(json_format=options.format == "json", serves=True)
    starting = Starting(
        Path(options.config), Path(options.data_dir), output, SystemClock(), options.serving_fd
    )
    try:
        return starting.run()
    except SeawallError as error:
        output.error(error.message, code=error.code, do=error.remedy)
        return _EXIT_NOTHING
    except Exception:  # noqa: BLE001 - a defect here must not end an edge that serves
        traceback.print_exc()
        return START_BROKE


@dataclass(frozen=True, slots=True)
class Starting:
    """One start."""

    config: Path
    data_dir: Path
    output: Output
    clock: Clock
    serving_fd: int | None = None

    def run(self) -> int:
        """Do it all.

        Raises:
            UsageError: the site file cannot be read and nothing was ever released.
            ConflictError: another program listens on an address of the site file, and no Envoy
                of this edge serves.
            UnreachableError: control or the node did not come up in time.
        """
        began_s = self.clock.monotonic_s()
        sources, trouble = self._collect()
        while self._wait_for_control(began_s):
            try:
                view = self._bring_up(sources, trouble, began_s)
            except UnreachableError as error:
                if self.clock.monotonic_s() - began_s <= limits.FIRST_RELEASE_TIMEOUT_S:
                    time.sleep(_POLL_S)  # control has ended meanwhile, and is started again
                    continue
                if self._serving() is None:
                    raise
                self.output.error(error.message, code=error.code, do=error.remedy)
                return _EXIT_SERVES
            if view is None:
                return _EXIT_NOTHING
            self._announce(view, began_s)
            return _EXIT_SERVES
        return _EXIT_SERVES

    def _bring_up(
        self, sources: SourceSet | None, trouble: SeawallError | None, began_s: float
    ) -> StatusView | None:
        with Client.for_data_dir(self.data_dir) as client:
            if not self._offer(client, sources, trouble):
                return None
            view = self._wait_until_served(client, began_s)
        if sources is not None:
            # Another edge may have started at the same moment, before either listened.
            require_free(sources, self.data_dir)
        return view

    def _collect(self) -> tuple[SourceSet | None, SeawallError | None]:
        """The site file, or why it is not offered to an edge that serves already.

        Raises:
            ConflictError: somebody else listens on its ports, and no Envoy of ours runs.
        """
        try:
            sources = collect(self.config)
        except SeawallError as error:
            return None, error
        try:
            require_free(sources, self.data_dir)
        except ConflictError as error:
            if self._serving() is None:
                raise
            return None, error
        return sources, None

    def _wait_for_control(self, began_s: float) -> bool:
        """Wait for the control process; False when it stays away and the edge serves without it.

        Raises:
            UnreachableError: it stays away and nothing serves.
        """
        while not is_running(self.data_dir):
            waited_s = self.clock.monotonic_s() - began_s
            if hardly_starts(self.data_dir, waited_s) and self._serves_without_control():
                return False
            if waited_s > limits.FIRST_RELEASE_TIMEOUT_S:
                raise UnreachableError(
                    "control-did-not-start",
                    "The control process did not start within "
                    f"{limits.FIRST_RELEASE_TIMEOUT_S:.0f} s.",
                    remedy=f"Read {self.data_dir}/logs/control.log and control.out next to it.",
                )
            time.sleep(_POLL_S)
        return True

    def _serving(self) -> ReleaseId | None:
        """What an Envoy serves that the node has; None when there is none."""
        state, _ = StateFile(self.data_dir / "node").load()
        return state.serving.release if state.serving and envoys(self.data_dir) else None

    def _serves_without_control(self) -> bool:
        """Whether the node serves from its own disk; if so, say what is wrong."""
        serving = self._serving()
        if serving is None:
            return False
        words = (
            f"{serving} serves from the node's own disk, but the control process does not start. "
            "Nothing can be changed until it does. Seawall keeps retrying."
        )
        do = f"Read {self.data_dir}/logs/control.log and control.out next to it."
        if self.output.json_format:
            self.output.write_json(
                {
                    "event": "degraded",
                    "release": serving,
                    "message": words,
                    "remedy": do,
                }
            )
        else:
            self.output.error(words, code="control-did-not-start", do=do)
        return True

    def _offer(
        self, client: Client, sources: SourceSet | None, trouble: SeawallError | None
    ) -> bool:
        """Offer the site file where that is right; False when nothing serves afterwards.

        Whatever is wrong with it, what served before serves on.

        Raises:
            UnreachableError: control has ended.
            SeawallError: the file cannot be offered, and nothing was ever released.
        """
        before = client.status()
        try:
            if trouble is not None:
                raise trouble
            return sources is None or self._release(client, sources, before)
        except UnreachableError:
            raise
        except SeawallError as error:
            if before.current is None and not isinstance(error, ConflictError):
                raise
            self.output.error(error.message, code=error.code, do=error.remedy)
            return True

    def _release(self, client: Client, sources: SourceSet, before: StatusView) -> bool:
        if before.current is not None:
            view = client.diff(sources)
            known = client.releases(limit=_RELEASES_COMPARED).releases
            if view.identical:
                return True
            if (coming := _on_its_way(before, view.digest, known)) is not None:
                self._say(
                    f"{self.config.name} is being rolled out as {coming}; until that ends, "
                    f"{before.current.id} serves."
                )
                return True
            went_out = (one.digest for one in known if one.rollout != NO_ROLLOUT)
            left = view.made_before not in {None, before.current.id}
            if view.check.ok and (left or view.digest in went_out):
                self._say(
                    f"{self.config.name} was released earlier but is not current: "
                    f"{before.current.id} stays. `seawall apply` releases the file again."
                )
                return True
        events = client.apply(sources, message="seawall up", author=user_name())
        if before.current is not None and self.serving_fd is not None:
            events = self._until_told(events, self.serving_fd)
        end = follow(self.output, events)
        return not isinstance(end, Refused) or before.current is not None

    def _until_told(self, events: Iterable[ApplyEvent], serving_fd: int) -> Iterator[ApplyEvent]:
        """The same events; as soon as what was released before serves, the parent hears of it."""
        told = False
        for event in events:
            if not told and (told := self._answers()):
                say_that_it_serves(serving_fd)
            yield event

    def _answers(self) -> bool:
        try:
            with Client.for_data_dir(self.data_dir) as client:
                view = client.status()
        except SeawallError:
            return False
        served = any(node.release and node.listeners for node in view.nodes)
        return served and (not view.urls or _try_one(view, self.clock)[0] is not None)

    def _wait_until_served(self, client: Client, began_s: float) -> StatusView:
        while True:
            try:
                view = client.status()
            except UnreachableError:
                view = None
            if view is not None and any(n.release and n.listeners for n in view.nodes):
                return view
            if self.clock.monotonic_s() - began_s > limits.FIRST_RELEASE_TIMEOUT_S:
                words = view.summary if view else "control does not answer"
                raise UnreachableError(
                    "not-served",
                    f"Nothing is served after {limits.FIRST_RELEASE_TIMEOUT_S:.0f} s: "
                    f"{words.rstrip('.')}.",
                    remedy=f"Read {self.data_dir}/logs/node.log and "
                    f"{self.data_dir}/node/stable/envoy.log.",
                )
            time.sleep(_POLL_S)

    def _announce(self, view: StatusView, began_s: float) -> None:
        listeners = view.nodes[0].listeners
        status, words = _try_one(view, self.clock)
        took_s = self.clock.monotonic_s() - began_s
        serving = next((n.release for n in view.nodes if n.release), None)
        for notice in view.notices:
            self._say(f"{notice.text} {notice.remedy}".rstrip())
        if self.output.json_format:
            self.output.write_json(
                {
                    "event": "ready",
                    "release": serving,
                    "urls": list(view.urls),
                    "listeners": list(listeners),
                    "probe_status": status,
                    "took_s": round(took_s, 3),
                }
            )
            return
        self.output.show(
            joined(
                styled(f"Seawall serves {serving}", "bold green"),
                styled(f" after {duration(took_s)}. {words}"),
            )
        )
        for url in view.urls or listeners:
            self.output.show(styled(f"  {url}"))
        beside = f"--config {argument(self.config)} --data-dir {argument(self.data_dir)}"
        self.output.show(
            styled(
                f"In another terminal, watch it, and release your changes to {self.config.name}:"
            ),
            styled(f"  seawall status {beside} --watch"),
            styled(f"  seawall apply {beside}"),
            styled("Ctrl-C stops everything."),
        )

    def _say(self, text: str) -> None:
        if self.output.json_format:
            self.output.write_json({"event": "note", "message": text})
        else:
            self.output.show(styled(text, "yellow"))


def _try_one(view: StatusView, clock: Clock) -> tuple[int | None, str]:
    """Status of the answer to one request, and a sentence about it."""
    if not view.urls:
        return None, ""
    try:
        status = _asked(view, clock.monotonic_s() + limits.LISTEN_LAG_S, clock)
    except OSError as error:
        return None, f"The first request got no answer: {error}."
    hint = "."
    if status in _ORIGIN_TROUBLE:
        hint = ": is the origin running?"
    elif status == HTTPStatus.MISDIRECTED_REQUEST:
        hint = f": no site has the host of {view.urls[0]}, so use a host of one of your sites."
    return status, f"The first request was answered {status}{hint}"


def _asked(view: StatusView, until_s: float, clock: Clock) -> int:
    """Status of the answer to one request.

    Envoy calls a listener active a moment before its workers listen, so it is asked again until
    then if nobody does.

    Raises:
        OSError: it got no answer.
    """
    while True:
        try:
            return probe(view.urls[0], view.nodes[0].listeners)
        except ConnectionRefusedError:
            if clock.monotonic_s() > until_s:
                raise
        time.sleep(_POLL_S)


def _on_its_way(status: StatusView, digest: str | None, known: Sequence[ReleaseView]) -> str | None:
    """The release of this very content that is being rolled out, if there is one."""
    running = status.rollouts.running if status.rollouts is not None else None
    same = {one.id for one in known if one.digest == digest}
    return running.release if running is not None and running.release in same else None


if __name__ == "__main__":
    sys.exit(main())
