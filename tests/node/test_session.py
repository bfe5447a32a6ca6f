"""The xDS session against an Envoy that exists in memory only."""

import pytest

from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.errors import RefusedError
from seawall.limits import (
    XDS_CLUSTER_LINGER_S,
    XDS_RESPONSES_IN_FLIGHT_MAX,
    XDS_SILENCE_S,
    XDS_SUBSCRIBE_GRACE_S,
)
from seawall.node.xds.messages import Effect, Rejected, Request, Response, Settled
from seawall.node.xds.session import Session
from seawall.testing.fake_envoy import FakeEnvoy, resource, snapshot


class Story:
    """A session and an Envoy that talk, with a log of what was sent and told."""

    def __init__(self, envoy: FakeEnvoy | None = None) -> None:
        self.session = Session()
        self.envoy = envoy or FakeEnvoy()
        self.now_s = 100.0
        self.sent: list[Response] = []
        self.told: list[Effect] = []

    def connect(self) -> "Story":
        self.session.opened(self.now_s)
        self.envoy.connect()
        return self

    def aim(self, target: Snapshot) -> int:
        serial = self.session.aim(target, self.now_s)
        self.take(self.session.tick(self.now_s))
        return serial

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Response):
                self.sent.append(effect)
                self.envoy.inbox.append(effect)
            else:
                self.told.append(effect)

    def talk(self) -> "Story":
        """Until nobody has anything to say."""
        while self.envoy.inbox or self.envoy.outbox:
            if self.envoy.outbox:
                self.take(self.session.request(self.envoy.outbox.popleft(), self.now_s))
            else:
                self.envoy.step()
                assert not self.envoy.dangling()
        return self

    def wait(self, duration_s: float) -> "Story":
        self.now_s += duration_s
        self.take(self.session.tick(self.now_s))
        return self.talk()

    def sequence(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        return [
            (r.type_url.short, tuple(x.name for x in r.resources), r.removed) for r in self.sent
        ]


def settled(target: Snapshot) -> Story:
    story = Story().connect()
    story.aim(target)
    story.talk()
    assert story.session.settled
    story.sent.clear()
    story.told.clear()
    return story


def test_a_fresh_envoy_is_given_clusters_then_listeners_then_routes() -> None:
    story = Story().connect()
    serial = story.aim(snapshot({"a": "1"}))
    story.talk()
    assert story.sequence() == [
        ("Cluster", ("a",), ()),
        ("Listener", ("http",), ()),
        ("RouteConfiguration", ("http",), ()),
    ]
    assert story.told == [Settled(serial)]


def test_an_unchanged_resource_is_never_sent_again() -> None:
    story = settled(snapshot({"a": "1", "b": "1"}))
    story.aim(snapshot({"a": "1", "b": "2"}))
    story.talk()
    assert story.sequence() == [("Cluster", ("b",), ())]


def test_a_new_cluster_is_acknowledged_before_a_route_uses_it() -> None:
    story = settled(snapshot({"a": "1"}))
    story.aim(snapshot({"b": "1"}))
    assert [kind for kind, _, _ in story.sequence()] == ["Cluster"]
    story.talk()
    assert [kind for kind, _, _ in story.sequence()] == ["Cluster", "RouteConfiguration"]


def test_an_unused_cluster_goes_last_and_only_after_a_while() -> None:
    story = settled(snapshot({"a": "1"}))
    story.aim(snapshot({"b": "1"}))
    story.talk()
    assert story.session.settled
    assert set(story.envoy.held[TypeUrl.CLUSTER]) == {"a", "b"}
    assert story.session.wakeup_s(story.now_s) == story.now_s + XDS_CLUSTER_LINGER_S
    story.wait(XDS_CLUSTER_LINGER_S)
    assert story.sequence()[-1] == ("Cluster", (), ("a",))
    assert set(story.envoy.held[TypeUrl.CLUSTER]) == {"b"}


def test_a_cluster_that_comes_back_while_it_lingers_stays() -> None:
    story = settled(snapshot({"a": "1"}))
    for clusters in ({"b": "1"}, {"a": "1"}):
        story.aim(snapshot(clusters))
        story.talk()
    story.wait(XDS_CLUSTER_LINGER_S * 2)
    assert set(story.envoy.held[TypeUrl.CLUSTER]) == {"a"}
    assert ("Cluster", (), ("a",)) not in story.sequence()


def test_each_changed_cluster_travels_alone() -> None:
    story = settled(snapshot({"a": "1", "b": "1", "c": "1"}))
    story.aim(snapshot({"a": "2", "b": "2", "c": "1"}))
    story.talk()
    assert story.sequence() == [("Cluster", ("a",), ()), ("Cluster", ("b",), ())]


def test_a_thousand_changed_clusters_travel_in_a_bounded_number_of_responses() -> None:
    story = settled(snapshot({f"c{number}": "1" for number in range(1000)}))
    story.aim(snapshot({f"c{number}": "2" for number in range(1000)}))
    assert len(story.sent) <= XDS_RESPONSES_IN_FLIGHT_MAX
    story.talk()
    assert story.session.settled
    assert sum(len(response.resources) for response in story.sent) == 1000


@pytest.mark.parametrize("body", ["bad", "bad-late"])
def test_a_refused_new_cluster_is_removed_at_once_and_the_old_target_stands(body: str) -> None:
    before = snapshot({"a": "1"})
    story = settled(before)
    serial = story.aim(snapshot({"a": "1", "bad": body}))
    story.talk()
    rejected = [effect for effect in story.told if isinstance(effect, Rejected)]
    assert [(r.serial, r.names) for r in rejected] == [(serial, ("bad",))]
    assert story.sequence() == [("Cluster", ("bad",), ()), ("Cluster", (), ("bad",))]
    assert story.session.settled
    assert story.envoy.serves(before)
    assert not story.envoy.stalled


@pytest.mark.parametrize("body", ["bad", "bad-late"])
def test_a_refused_change_is_followed_by_the_previous_version(body: str) -> None:
    before = snapshot({"a": "1", "b": "1"})
    story = settled(before)
    story.aim(snapshot({"a": body, "b": "2"}))
    story.talk()
    assert story.session.settled
    assert story.envoy.serves(before)
    assert not story.envoy.stalled


def test_a_release_after_a_refused_one_is_taken() -> None:
    story = settled(snapshot({"a": "1"}))
    story.aim(snapshot({"a": "1", "bad": "bad-late"}))
    story.talk()
    after = snapshot({"a": "2"})
    serial = story.aim(after)
    story.talk()
    assert Settled(serial) in story.told
    assert story.envoy.serves(after)


def test_a_refused_first_target_is_not_pushed_for_ever() -> None:
    story = Story().connect()
    story.aim(snapshot({"a": "1", "bad": "bad-late"}))
    story.talk()
    assert not story.session.settled
    assert story.session.stuck
    assert story.sequence().count(("Cluster", ("bad",), ())) == 1
    good = snapshot({"a": "1"})
    story.aim(good)
    story.talk().wait(XDS_CLUSTER_LINGER_S)
    assert story.envoy.serves(good)


def test_after_a_reconnect_only_differences_are_sent() -> None:
    story = settled(snapshot({"a": "1", "b": "1"}))
    again = Story(story.envoy)  # another agent process: it knows nothing
    again.connect()
    again.aim(snapshot({"a": "1", "b": "2"}))
    again.talk()
    assert again.sequence() == [("Cluster", ("b",), ())]
    assert again.session.settled


def test_a_new_process_is_given_all_of_the_target_under_its_own_serial() -> None:
    story = settled(snapshot({"a": "1"}))
    first = story.session.serial
    second = story.aim(snapshot({"a": "2"}))
    story.talk()
    assert second > first
    assert story.told == [Settled(second)]
    story.session.new_process()
    assert not story.session.settled
    story.told.clear()
    story.sent.clear()
    story.envoy = FakeEnvoy()
    story.connect().talk()
    assert story.told == [Settled(second)]
    assert not any(removed for _, _, removed in story.sequence())


def test_what_was_on_its_way_when_the_stream_broke_is_settled_after_the_next() -> None:
    story = settled(snapshot({"a": "1"}))
    story.aim(snapshot({"b": "1"}))
    story.envoy.step()  # taken, but the acknowledgement is lost
    story.session.disconnected()
    story.connect().talk()
    story.wait(XDS_CLUSTER_LINGER_S)
    assert story.session.settled
    assert story.envoy.serves(snapshot({"b": "1"}))


def test_an_envoy_that_does_not_ask_for_clusters_is_given_them_anyway() -> None:
    story = settled(snapshot({"a": "1"}))
    story.envoy.stalled = {"ghost"}
    story.session.disconnected()
    story.aim(snapshot({"a": "2"}))
    story.connect().talk()
    assert story.sequence() == []
    story.wait(XDS_SILENCE_S)
    assert story.session.clusters_pushed_unasked == 1
    assert story.envoy.held[TypeUrl.CLUSTER]["a"].body == b"2"


def test_a_look_is_asked_for_while_something_is_due_and_an_envoy_is_there() -> None:
    session, now_s = Session(), 100.0
    session.aim(snapshot({"a": "1"}), now_s)
    assert session.wakeup_s(now_s) is None
    session.opened(now_s)
    settles_s = now_s + XDS_SUBSCRIBE_GRACE_S
    assert session.wakeup_s(now_s) == settles_s
    assert session.wakeup_s(settles_s) == now_s + XDS_SILENCE_S
    session.disconnected()
    assert session.wakeup_s(now_s) is None
    story = settled(snapshot({"a": "1"}))
    assert story.session.wakeup_s(story.now_s) is None


def test_an_envoy_that_is_only_slow_to_start_is_not_pushed_clusters() -> None:
    story = Story()
    story.session.opened(story.now_s)
    story.aim(snapshot({"a": "1"}))
    story.wait(XDS_SILENCE_S * 2)
    assert story.sent == []


@pytest.mark.parametrize(
    "request_",
    [
        Request("type.googleapis.com/unknown.Type", subscribe=("x",)),
        Request(TypeUrl.CLUSTER.value, nonce="no-such-nonce"),
        Request(TypeUrl.CLUSTER.value, nonce="1", error="late"),
        Request(TypeUrl.BOOTSTRAP.value, subscribe=("bootstrap",)),
        Request("", unsubscribe=("x",)),
    ],
    ids=["unknown-type", "unknown-nonce", "late-refusal", "bootstrap", "empty"],
)
def test_a_request_that_makes_no_sense_changes_nothing(request_: Request) -> None:
    story = settled(snapshot({"a": "1"}))
    assert story.session.request(request_, story.now_s) == []
    assert story.session.settled
    assert story.session.ignored_requests == 1


def test_a_name_that_is_nowhere_is_answered_as_removed() -> None:
    story = settled(snapshot({"a": "1"}))
    story.take(
        story.session.request(Request(TypeUrl.SECRET.value, subscribe=("ghost",)), story.now_s)
    )
    assert story.sequence() == [("Secret", (), ("ghost",))]


def test_a_secret_is_answered_although_a_cluster_is_still_warming() -> None:
    story = settled(snapshot({"a": "1"}))
    secret = resource(TypeUrl.SECRET, "cert", "pem")
    story.aim(Snapshot.of([*snapshot({"a": "2"}).resources, secret]))
    story.take(
        story.session.request(Request(TypeUrl.SECRET.value, subscribe=("cert",)), story.now_s)
    )
    assert story.sequence() == [("Cluster", ("a",), ()), ("Secret", ("cert",), ())]


def test_a_target_that_would_leave_envoy_without_listeners_is_refused() -> None:
    whole = snapshot({"a": "1"})
    story = settled(whole)
    with pytest.raises(RefusedError, match="Envoy would stop listening"):
        story.aim(Snapshot.of(r for r in whole.resources if r.type_url is not TypeUrl.LISTENER))
    assert story.envoy.serves(whole)


def test_an_edge_without_clusters_is_told_to_an_envoy_that_starts() -> None:
    story = Story().connect()
    story.aim(snapshot({}))
    story.talk()
    assert story.sequence() == [
        ("Cluster", (), ()),
        ("Listener", ("http",), ()),
        ("RouteConfiguration", ("http",), ()),
    ]
    assert story.session.settled
