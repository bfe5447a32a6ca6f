"""An Envoy that leaves lets go of its clients soon, also of those that wait for the end."""

from compiler import build
from edge.serving import request, serving
from seawall.limits import CONNECTION_DRAIN_TIMEOUT_S, DELAYED_CLOSE_TIMEOUT_S

ENVOYS_OWN_S = 5.0


def test_a_client_that_reads_to_the_end_of_the_connection_is_let_go() -> None:
    with serving(build.site("shop", build.route("shop/all"))) as edge, edge.client() as client:
        edge.envoy.admin("/healthcheck/fail", method="POST")
        client.send(request())
        answer = client.response()
        assert answer.status == 200
        assert answer.header("connection") == "close"
        # Above what we ask for, and below what Envoy does by itself.
        client.socket.settimeout(ENVOYS_OWN_S)
        assert CONNECTION_DRAIN_TIMEOUT_S + DELAYED_CLOSE_TIMEOUT_S < ENVOYS_OWN_S
        assert client.rest() == b""
