"""Whatever order things happen in, Envoy ends with the target or with what served before."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.limits import XDS_CLUSTER_LINGER_S, XDS_RESPONSES_IN_FLIGHT_MAX, XDS_SILENCE_S
from seawall.node.xds.messages import Effect, Response
from seawall.node.xds.session import Session
from seawall.testing.fake_envoy import FakeEnvoy, snapshot

NAMES = ("a", "b", "c", "d")
FIRST = snapshot({"a": "1"})
good_edges = st.builds(
    snapshot,
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from("123"), min_size=1),
    text=st.sampled_from("xyz"),
)
bad_bodies = st.sampled_from(("bad", "bad-late"))


class Conversation(RuleBasedStateMachine):
    """Rules are what the world may do next; `teardown` lets it calm down and looks."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.session = Session()
        self.envoy = FakeEnvoy()
        self.targets: list[Snapshot] = [FIRST]
        self.session.aim(FIRST, self.now_s)
        self.connect()
        self.settle()

    def connect(self) -> None:
        self.session.opened(self.now_s)
        self.envoy.connect()

    def take(self, effects: list[Effect]) -> None:
        self.envoy.inbox.extend(e for e in effects if isinstance(e, Response))

    @rule(edge=good_edges)
    def aim_at_a_good_edge(self, edge: Snapshot) -> None:
        self.targets.append(edge)
        self.session.aim(edge, self.now_s)
        self.take(self.session.tick(self.now_s))

    @precondition(lambda self: self.session.settled)  # the agent commits one release at a time
    @rule(edge=good_edges, name=st.sampled_from((*NAMES, "e")), body=bad_bodies)
    def aim_at_an_edge_envoy_refuses(self, edge: Snapshot, name: str, body: str) -> None:
        clusters = {r.name: r.body.decode() for r in edge.of_type(TypeUrl.CLUSTER)}
        self.session.aim(snapshot(clusters | {name: body}, routed=()), self.now_s)
        self.take(self.session.tick(self.now_s))

    @precondition(lambda self: self.envoy.inbox)
    @rule()
    def envoy_takes_a_response(self) -> None:
        self.envoy.step()

    @precondition(lambda self: self.envoy.outbox)
    @rule()
    def the_session_hears_a_request(self) -> None:
        self.take(self.session.request(self.envoy.outbox.popleft(), self.now_s))

    @rule(duration_s=st.sampled_from((0.01, 0.6, 2.5)))
    def time_passes(self, duration_s: float) -> None:
        self.now_s += duration_s
        self.take(self.session.tick(self.now_s))

    @rule()
    def the_stream_breaks(self) -> None:
        self.session.disconnected()
        self.connect()

    @rule()
    def envoy_is_started_anew(self) -> None:
        self.session.new_process()
        self.envoy = FakeEnvoy()
        self.connect()

    @invariant()
    def no_route_leads_nowhere(self) -> None:
        assert not self.envoy.dangling()

    @invariant()
    def the_queue_is_bounded(self) -> None:
        assert len(self.envoy.inbox) <= XDS_RESPONSES_IN_FLIGHT_MAX * 2

    def settle(self) -> None:
        for _ in range(12):
            while self.envoy.inbox or self.envoy.outbox:
                if self.envoy.outbox:
                    self.take(self.session.request(self.envoy.outbox.popleft(), self.now_s))
                else:
                    self.envoy.step()
                    self.no_route_leads_nowhere()
            self.now_s += max(XDS_CLUSTER_LINGER_S, XDS_SILENCE_S)
            self.take(self.session.tick(self.now_s))

    def teardown(self) -> None:
        self.settle()
        assert any(self.envoy.serves(target) for target in self.targets)
        assert self.session.settled or self.session.stuck


Conversation.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestConversation = Conversation.TestCase
