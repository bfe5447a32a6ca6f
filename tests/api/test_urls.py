"""Where a person reaches the listeners."""

from seawall.api.status import urls


def test_a_place_that_two_listeners_share_is_named_once() -> None:
    listeners = ("http 0.0.0.0:80", "http [::]:80", "https 127.0.0.1:8443", "https [::]:443")
    assert urls(listeners) == ("http://localhost", "https://127.0.0.1:8443", "https://localhost")
