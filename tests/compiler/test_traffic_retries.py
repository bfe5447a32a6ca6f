"""Which requests are sent again to a failing origin, told by real requests and their records."""

from collections.abc import Iterator
from typing import Any

import pytest

from compiler.build import edge, forward, origin, route, site
from compiler.served import Served, served
from envoy_harness import Origin, RawClient, free_port, ok, wait_until
from seawall.limits import CONNECTION_BUFFER_SIZE_BYTES_MAX
from seawall.model import ErrorPage, PathPrefix, Retries, Route, RouteMatch

_RETRIES = Retries(2, ("5xx",))


def _failing(name: str, *methods: str, **changes: Any) -> Route:
    match = RouteMatch(PathPrefix(f"/{name}"), methods=methods)
    return route(f"shop/{name}", match=match, action=forward(**{"retries": _RETRIES, **changes}))


@pytest.fixture(scope="module")
def retrying() -> Iterator[Served]:
    """Routes to an origin that refuses whatever it is asked, and to one that is half there."""
    status = {"/conflict": "409 Conflict"}
    with Origin(lambda r: ok(status=status.get(r.target.decode(), "500 Oops"))) as app:
        shop = site(
            "shop",
            _failing("any", retries=Retries(2, ("5xx",), any_method=True)),
            _failing("conflict", retries=Retries(2, ("retriable-4xx",))),
            _failing("grpc", grpc=True),
            _failing("either", "GET", "POST"),
            _failing("posts", "POST"),
            _failing("reads", "GET"),
            _failing("half", to="half"),
            _failing("dead", to="dead", retries=Retries(10, ("connect-failure",))),
            route(action=forward(retries=_RETRIES)),
            error_pages=(ErrorPage(500, 599, "text/html", "page {status}"),),
        )
        app_origin = origin("app", app.port)
        half = origin("half", free_port(), app.port)
        origins = (app_origin, half, origin("dead", free_port()))
        with served(edge(shop, http=(free_port(),), origins=origins)) as running:
            yield running


@pytest.mark.parametrize(
    ("method", "path", "attempts"),
    [
        ("GET", "/", 3),
        ("PUT", "/", 3),
        ("DELETE", "/", 3),
        ("POST", "/", 1),
        ("PATCH", "/", 1),
        ("POST", "/any", 3),
        ("GET", "/either", 3),
        ("POST", "/either", 1),
        ("POST", "/posts", 1),
        ("GET", "/reads", 3),
        ("GET", "/conflict", 3),
        ("POST", "/conflict", 1),
        ("POST", "/grpc", 1),
    ],
)
def test_what_an_origin_may_have_seen_is_repeated_only_where_that_means_the_same(
    retrying: Served, method: str, path: str, attempts: int
) -> None:
    response = retrying.get(path, method=method, headers=("content-length: 0",))
    assert response.status in {409, 500}
    assert retrying.record_of(response)["attempts"] == attempts


def test_what_no_origin_has_seen_is_repeated_for_each_method(retrying: Served) -> None:
    posted = ("content-length: 2",)
    answers = [retrying.get("/half", method="POST", headers=posted, body=b"ok") for _ in range(4)]
    assert {answer.status for answer in answers} == {500}
    assert 2 in {retrying.record_of(answer)["attempts"] for answer in answers}


def test_a_body_that_is_too_long_to_be_kept_between_attempts_gets_the_page_of_the_site(
    retrying: Served,
) -> None:
    size = CONNECTION_BUFFER_SIZE_BYTES_MAX + 1

    def retried() -> bool:
        counted = retrying.envoy.stats("rq_retry$")
        return counted.get("cluster.dead.upstream_rq_retry", 0) > 2

    with RawClient(retrying.port) as client:
        client.send(b"POST /dead HTTP/1.1\r\nhost: shop.test\r\ncontent-length: %d\r\n\r\n" % size)
        wait_until(retried, what="some retries")
        client.send(b"x" * size)
        response = client.response()
    assert response.body.decode() == f"page {response.status}"
