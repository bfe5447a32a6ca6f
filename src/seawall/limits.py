"""Every bound of Seawall, in one place, each with its unit in its name and its reason beside it.

Reaching a limit is a normal, tested event with a clear message, and nothing grows without a limit.
Relations that must hold between limits are checked in this file, at import.
`docs/limits.md` is generated from the docstrings here (`make docs`); a test fails if it is old.
"""

from typing import Final

from seawall.errors import invariant

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# --- Site file ---------------------------------------------------------------------------------

SITE_FILE_SIZE_BYTES_MAX: Final = 8 * MIB
"""Size of one YAML file. 1,000 sites of 5 routes take about 1 MiB, so a file beyond 8 MiB is a
mistake."""
SITE_SOURCES_SIZE_BYTES_MAX: Final = 32 * MIB
"""Size of all YAML files of one configuration together."""
SITE_INCLUDES_MAX: Final = 2_000
"""Included files: one for each of `SITES_MAX` sites."""
SITE_YAML_DEPTH_MAX: Final = 32
"""Levels to which mappings and lists may be nested. The deepest documented field is at level 9."""
SITE_YAML_NODES_MAX: Final = 2_000_000
"""YAML nodes in all files together. Protects memory from alias bombs and oversized generated
files."""
SITE_YAML_ALIAS_NODES_MAX: Final = 200_000
"""YAML nodes that aliases add, over all files. Far more than a person shares by hand, far fewer
than an alias bomb needs."""
SITE_YAML_ENTRIES_MAX: Final = 20_000
"""Entries of one mapping or list: twice the largest number of routes, which is the longest list."""
SITE_PROBLEMS_MAX: Final = 200
"""Problems shown at once; the others are only counted. A longer list would hide the first
problem."""
SITE_SALVAGE_ROUNDS_MAX: Final = 64
"""How often Seawall removes the faulty parts of a file and checks the rest again, to find all
problems at once. Usually two or three rounds are enough; after the last one it stops checking."""
SITE_WORD_REMEMBERED_CHARS_MAX: Final = 200
"""Longest value (a name, time or address) whose check is remembered, because sites repeat such
values. Longer values rarely repeat, and remembering them would let a caller fill the memory."""
HOSTS_REMEMBERED_SIZE_BYTES_MAX: Final = 128 * MIB
"""Compiled sites kept in memory, so that a change of one site compiles only that one. `SITES_MAX`
sites of five routes take a few MiB over http and https. Beyond the limit all are dropped and
compiled again."""
SITES_MAX: Final = 2_000
"""Sites on one edge: twice as many as the benchmark covers."""
HOSTS_PER_SITE_MAX: Final = 100
"""Host names of one site. For more, use wildcards or several sites."""
ROUTES_PER_SITE_MAX: Final = 1_000
"""Routes of one site. Envoy tries them in order, so every route delays those after it."""
ROUTES_MAX: Final = 10_000
"""Routes of all sites together: they travel in one RDS resource, which must stay well below the
gRPC message limit."""
ORIGINS_MAX: Final = 4_000
"""Origins (Envoy clusters). Each costs about 100 KiB of Envoy's memory and makes every poll of the
statistics longer."""
ENDPOINTS_PER_ORIGIN_MAX: Final = 256
"""Endpoints of one origin, primary and backup together."""
LISTENERS_MAX: Final = 16
"""Addresses to listen on, counted separately for http and https."""
HEADER_OPERATIONS_MAX: Final = 64
"""Header changes of one site or route, counted separately for requests and responses."""
NAME_LENGTH_CHARS_MAX: Final = 63
"""Length of the name of a site, route or origin. Names become parts of statistics and file names,
and 63 is what a DNS label allows."""
HEADER_VALUE_LENGTH_CHARS_MAX: Final = 4_096
"""Length of a header value in a site file. A long Content-Security-Policy has about 2,000
characters."""
PATH_LENGTH_CHARS_MAX: Final = 2_048
"""Length of a URL path or file name in a site file."""
QUERY_NAME_LENGTH_BYTES_MAX: Final = 1_024
"""Length of a query parameter's name in a condition. Envoy accepts no longer one."""
REGEX_LENGTH_CHARS_MAX: Final = 1_024
"""Length of a path regex. The size of the compiled program is limited separately."""
REGEX_PROGRAM_SIZE_MAX: Final = 1_000
"""Instructions of a compiled RE2 program. Keeps matching cheap, because it happens on each
request."""
REFERENCED_FILE_SIZE_BYTES_MAX: Final = 1 * MIB
"""Size of a certificate, key, CA bundle or error page that the site file names."""
RESPONSE_BODY_SIZE_BYTES_MAX: Final = 64 * KIB
"""Size of a fixed response or error page, because every Envoy worker keeps a copy."""
CERTIFICATE_EXPIRY_WARNING_S: Final = 14 * 86_400
"""A certificate that expires within this time is reported by `check`. Two weeks leave time to renew
it by hand."""
CERTIFICATE_EXPIRY_WARNING_SHARE: Final = 1 / 3
"""A certificate is not reported before this share of its lifetime is left: one that is good for six
days always expires within two weeks."""
TRUSTED_PROXIES_MAX: Final = 1_024
"""Networks (CIDRs) of proxies whose forwarded-for headers are trusted."""
ACCESS_LOG_FIELDS_MAX: Final = 32
"""Extra fields in the access log. Each one costs time on every request."""

# --- Compiler, gate and release ------------------------------------------------------------------

BUNDLE_SIZE_BYTES_MAX: Final = 64 * MIB
"""Size of one release bundle. 1,000 sites of 5 routes take about 2 MiB."""
RELEASES_RETAINED_MAX: Final = 200
"""Releases kept for rollback. Beyond it the oldest are deleted, but never one that serves or is
last known good."""
RELEASES_SIZE_BYTES_MAX: Final = 1 * GIB
"""Size of all bundles in the store together, compressed."""
RELEASE_MESSAGE_LENGTH_CHARS_MAX: Final = 2_000
"""Length of a release message: enough for a long paragraph."""
VALIDATE_TIMEOUT_S: Final = 60
"""Time for `envoy --mode validate`. The largest configuration takes about 1 s, so an Envoy that
needs longer than this limit hangs."""
ENVOY_MESSAGE_LENGTH_CHARS_MAX: Final = 2_000
"""How much of Envoy's own message a refusal quotes: its longest useful message fits."""

# --- Compiled configuration ----------------------------------------------------------------------

ORIGIN_KEEPALIVE_IDLE_S: Final = 60
"""Silence on a connection to an origin after which TCP keepalive starts. Common firewalls forget a
silent connection after 5 minutes."""
ORIGIN_KEEPALIVE_INTERVAL_S: Final = 10
"""Time between two TCP keepalive probes."""
ORIGIN_KEEPALIVE_PROBES: Final = 3
"""Unanswered keepalive probes after which a connection counts as dead: 90 s after the last byte."""
ORIGIN_UNACKNOWLEDGED_S_MAX: Final = 30
"""How long data sent to an HTTP/2 origin may stay unacknowledged, about seven attempts of the
kernel. Then the connection is given up and requests use a new one."""
PANIC_HEALTHY_PERCENT: Final = 1
"""Below this percentage of healthy endpoints, requests go to all of them. In effect this happens
only when none is healthy: trying every endpoint is then better than refusing every request."""
DNS_RETRY_MIN_S: Final = 1
"""Wait after the first failed DNS query for an origin."""
USUAL_BODY_SIZE_BYTES_MAX: Final = 10 * MIB
"""Largest request body of a site that sets no limit of its own. This size is the cheapest for the
edge to check."""
COMPRESSION_SIZE_BYTES_MIN: Final = 860
"""Smaller bodies are not compressed: they fit into one packet anyway."""
ACCESS_LOG_SLOW_MS: Final = 5_000
"""A request that takes this long is always logged, whatever the sampling rate is."""
DIFF_CHANGES_MAX: Final = 500
"""Changes shown one by one; the others are only counted by kind. Nobody reads more."""
RETRY_HOST_SELECTION_MAX: Final = 3
"""How often a retry tries to pick an endpoint that has not already failed this request."""

# --- Release formats and store ------------------------------------------------------------------

BUNDLE_MANIFEST_SIZE_BYTES_MAX: Final = 16 * MIB
"""Size of the manifest, the list of a bundle's parts. 10,000 resources take about 3 MiB."""
BUNDLE_PARTS_MAX: Final = 50_000
"""Resources of one bundle: far more than a site file within its own limits can produce."""
BUNDLE_TEXT_LENGTH_CHARS_MAX: Final = 4_096
"""Length of a name or path in a manifest: the longest path that Linux allows."""
RELEASE_RECORD_SIZE_BYTES_MAX: Final = 32 * KIB
"""Size of a release's record (who, when and why). The longest message fits even with every
character escaped."""
ENVELOPE_SIZE_BYTES_MAX: Final = 65 * MIB
"""Size of a signed bundle as a node fetches it: the largest bundle that cannot be compressed, and
its record, fit."""
RELEASE_AUTHOR_LENGTH_CHARS_MAX: Final = 200
"""Length of a release's author: a name and an address."""
VALIDATE_MEMORY_BYTES_MAX: Final = 2 * GIB
"""Memory that `envoy --mode validate` may use (RLIMIT_DATA). 1,000 sites take 0.12 GiB."""
VALIDATE_ADDRESS_SPACE_BYTES_MAX: Final = 16 * GIB
"""Address space of a validating Envoy (RLIMIT_AS). Its allocator reserves regions of 1 GiB that it
never touches."""
VALIDATE_OPEN_FILES_MAX: Final = 1_024
"""Files that a validating Envoy may open. It needs few, because its configuration is inlined."""
VALIDATE_FILE_SIZE_BYTES_MAX: Final = 16 * MIB
"""Largest file that a validating Envoy may write: its bot filter maps a table of windows."""
VALIDATE_OUTPUT_SIZE_BYTES_MAX: Final = 64 * KIB
"""How much of a validating Envoy's output is kept, half from each end: the middle may be a dump of
the whole configuration."""
GATE_REPORT_LENGTH_CHARS_MAX: Final = 64 * KIB
"""Length of a gate report, stored as JSON next to the release's record."""
STORE_BUSY_TIMEOUT_S: Final = 5
"""Longest wait for another writer of the store. Adding a large bundle takes less than 1 s."""
STORE_CONNECT_TIMEOUT_S: Final = 5
"""Longest wait for a connection to a PostgreSQL store. After that the store counts as
unreachable."""
STORE_HANG_TIMEOUT_S: Final = 30
"""Longest duration of one statement, or of a pause inside a transaction. Beyond it the other side
hangs and is cut off, so that others can write."""
STORE_SILENT_TIMEOUT_S: Final = 35
"""Longest wait for an answer of PostgreSQL. It would have ended the statement itself by then, so it
hangs, or what is in between does: the connection is given up."""
STORE_JOURNAL_SIZE_BYTES_MAX: Final = 16 * MIB
"""Size to which the store's write-ahead log is cut back after a large release."""
KNOWN_GOOD_PER_NODE_MAX: Final = 16
"""Last-known-good releases that one node may name. Named releases are not deleted from the
store."""
QUARANTINE_DIGESTS_MAX: Final = 10_000
"""Quarantined digests that are remembered. Beyond it the oldest are forgotten, but never one whose
release is still stored."""
AUDIT_ENTRIES_MAX: Final = 50_000
"""Entries of the audit log, about a year at one change every ten minutes. Older ones are
deleted."""
AUDIT_TEXT_LENGTH_CHARS_MAX: Final = 4_096
"""Length of one text in an audit entry; longer texts are cut."""
META_KEYS_MAX: Final = 1_000
"""Small named values that the store keeps for Seawall itself."""
META_VALUE_LENGTH_CHARS_MAX: Final = 64 * KIB
"""Length of one of these values."""
PAGE_SIZE_MAX: Final = 500
"""Entries on one page of a list."""

# --- Node ----------------------------------------------------------------------------------------

LAST_KNOWN_GOOD_GENERATIONS_MIN: Final = 3
"""Good releases kept on each node's disk. One is not enough, because the newest may turn out to be
broken."""
XDS_MESSAGE_SIZE_BYTES_MAX: Final = 64 * MIB
"""Size of one gRPC message to or from Envoy. The largest resource must fit."""
ASSIGNMENT_POLL_WAIT_S: Final = 25
"""How long control holds a node's long poll for an assignment. Proxies and firewalls in between
often cut connections that are idle for 30 s."""
COMMIT_TIMEOUT_S: Final = 30
"""Time in which Envoy must accept or reject every resource of a release. Otherwise the commit is
undone."""
XDS_BATCH_SIZE_BYTES_MAX: Final = 4 * MIB
"""Size of the resources in one xDS response, so that Envoy keeps answering while it loads them. A
single larger resource is sent alone."""
XDS_RESPONSES_IN_FLIGHT_MAX: Final = 64
"""Responses of one resource type that Envoy has not answered yet: enough that nothing waits for
round trips."""
XDS_SILENCE_S: Final = 2.0
"""Time in which a reconnected Envoy must subscribe to its resources, which takes it milliseconds.
After that it counts as stuck."""
XDS_SUBSCRIBE_GRACE_S: Final = 0.5
"""How long a commit waits for Envoy to ask for a resource. After that, a resource that Envoy did
not ask for no longer delays the commit."""
XDS_CLUSTER_LINGER_S: Final = 2.0
"""How long a cluster stays after the last route to it is gone, for requests that were already
routed."""
XDS_HEAL_TIMEOUT_S: Final = 5.0
"""How long a commit that Envoy refused waits until Envoy has accepted the previous release
again."""
XDS_RECONNECT_MS_MIN: Final = 100
"""Envoy's first wait before it reconnects to the agent: so short that a restart of the agent goes
unnoticed."""
XDS_RECONNECT_MS_MAX: Final = 1_000
"""Envoy's longest wait before it reconnects: an agent that returns after hours is found within a
second."""
NODE_STATE_SIZE_BYTES_MAX: Final = 256 * KIB
"""Size of the node's `state.json`, which holds a few names and digests."""
ENVOY_READY_TIMEOUT_S: Final = 30.0
"""Time from the start of an Envoy to its first answer on the admin socket. Usually this takes 0.1
s."""
ENVOY_WORKERS_MAX: Final = 1_024
"""Worker threads that a configuration may ask of Envoy: more than a machine has cores. Each takes
memory and files, and an Envoy with 100,000 would never start."""
ENVOY_DRAIN_TIME_S: Final = 600
"""How long connections of a replaced listener or filter chain may continue (Envoy's own
default)."""
ENVOY_STOP_DRAIN_S: Final = 10.0
"""How long requests may take to finish when Envoy is stopped on purpose."""
ENVOY_SWAP_DRAIN_S: Final = 30.0
"""How long connections may continue in an Envoy that another process has replaced."""
ENVOY_STOP_TERM_S: Final = 5.0
"""Time between SIGTERM and SIGKILL when Envoy is stopped."""
ENVOY_FLUSH_INTERVAL_MS: Final = 500
"""How long an access record may stay in Envoy's memory before it is written."""
ENVOY_LOG_SIZE_BYTES_MAX: Final = 16 * MIB
"""Size of Envoy's own log. Beyond it the file is renamed to `.1` and a new one is begun."""
ENVOY_LOG_TAIL_BYTES: Final = 2 * KIB
"""How much of the end of Envoy's log a message about a failed start may quote."""
ENVOY_LOG_SEARCHED_BYTES: Final = 64 * KIB
"""How much of the end of Envoy's log is searched for the reason why it died: a bootstrap as text
and a stack trace fit."""
CRASH_LOOP_EXITS: Final = 3
"""Deaths of Envoy within `CRASH_LOOP_WINDOW_S` that count as a crash loop."""
CRASH_LOOP_WINDOW_S: Final = 60.0
"""Time over which these deaths are counted; older ones are forgotten."""
RESTART_BACKOFF_S_MAX: Final = 5.0
"""Longest wait before an Envoy that keeps dying is started again. The first restart is
immediate."""
CONTROL_BACKOFF_S_MIN: Final = 0.1
"""First wait of a node after it could not reach control."""
CONTROL_BACKOFF_S_MAX: Final = 2.0
"""Longest such wait. Control is on the same machine or near it, and releases wait for the node."""
NODE_STATE_RETRY_S: Final = 10.0
"""How often a node tries again to write what its disk did not take, a release of up to 65 MiB."""
REPORT_INTERVAL_S: Final = 3.0
"""Longest time between two reports of a node."""
REPORT_STARTING_INTERVAL_S: Final = 0.2
"""The same while the node's Envoy is not live yet, because somebody is waiting for it."""

ANSWER_CHUNKS_FEW: Final = 1_000
"""Chunks that an HTTP answer to the agent may have whatever their size is."""
ANSWER_CHUNK_SIZE_BYTES_MIN: Final = 256
"""Average size that further chunks of such an answer must have; servers send kilobytes in each. 65
MiB in chunks of one byte would block the agent for a minute."""

# --- Names of origins ----------------------------------------------------------------------------

DNS_STALE_S: Final = 86_400
"""How long the last addresses of a name are used after their TTL ended. RFC 8767 recommends 1 to 3
days."""
DNS_STALE_TTL_S: Final = 30
"""TTL of an answer from memory while the resolvers do not answer for that name (RFC 8767)."""
DNS_SLOW_TTL_S: Final = 5
"""TTL of an answer from memory while the resolvers may still answer. It is short so that Envoy asks
again soon, but long enough that 4,000 names without an answer do not keep the agent busy."""
DNS_TTL_S_MAX: Final = 604_800
"""Longest TTL that counts when the end of `DNS_STALE_S` is calculated (RFC 8767); a longer one
counts as this."""
DNS_FRESH_S_MAX: Final = 1
"""How long an answer is repeated without asking the resolvers again, at most until its TTL ends.
This is the shortest allowed `dns_refresh`, which a longer time would break."""
DNS_TOLD_TTL_S_MAX: Final = 30
"""Longest TTL that Envoy is given, because it asks again only when a TTL is over: with a TTL of a
day, it would not notice for a day that an origin moved. A shorter `dns_refresh` takes
precedence."""
DNS_ANSWER_WITHIN_S: Final = 0.15
"""Time after which an answer from memory is sent. Envoy's resolver (c-ares) leaves a server that
was always quick after 250 ms, so the answer must come before that, also on a busy machine."""
DNS_RECHECK_S: Final = 5.0
"""Pause before a name that was not answered is asked for again. Until then answers come from
memory."""
DNS_ATTEMPT_TIMEOUT_S: Final = 1.5
"""Time for one question to one resolver."""
DNS_QUESTION_TIMEOUT_S: Final = 5.0
"""Time for one question to all resolvers, with repetitions: the default of 5 s from
`resolv.conf`."""
DNS_RESOLVERS_MAX: Final = 3
"""Resolvers of `resolv.conf` that are used, as many as the C library uses."""
DNS_RESOLV_CONF_SIZE_BYTES_MAX: Final = 64 * KIB
"""Size of `resolv.conf`, which usually has a few hundred bytes."""
DNS_NAMES_MAX: Final = 8_192
"""Names whose addresses are remembered: twice as many as an edge has origins."""
DNS_MEMORY_SIZE_BYTES_MAX: Final = 4 * MIB
"""Size of all remembered answers together. Beyond it, names that nobody asked for in `DNS_ASKED_S`
are dropped first, then those learned last."""
DNS_RECORDS_SIZE_BYTES_MAX: Final = 16 * KIB
"""Size of one remembered answer: a thousand addresses. A larger answer is passed on but not
remembered."""
DNS_FILE_SIZE_BYTES_MAX: Final = 16 * MIB
"""Size of the remembered answers on disk, where they are text."""
DNS_SAVE_INTERVAL_S: Final = 10.0
"""Shortest time between two writes of changed addresses to disk."""
DNS_SAVE_AGE_S: Final = 600.0
"""How often addresses that did not change are written again. After a restart of the agent,
`DNS_STALE_S` may end earlier by at most this time."""
DNS_FLIGHTS_MAX: Final = 4_096
"""Questions that wait for the resolvers: a starting Envoy asks for all origins at once. Further
questions are answered only from memory."""
DNS_ASKED_AT_ONCE_MAX: Final = 256
"""How many of these questions are sent to the resolvers at the same time. Each needs a socket."""
DNS_CONNECTIONS_MAX: Final = 64
"""TCP connections of clients that ask. Envoy needs one when an answer is too long for UDP."""
DNS_CONNECTION_IDLE_S: Final = 10.0
"""Time after which a TCP connection without a question is closed."""
DNS_MESSAGE_SIZE_BYTES_MAX: Final = 65_535
"""Size of a DNS message over TCP. Over UDP both sides offer `DNS_UDP_SIZE_BYTES`."""
DNS_UDP_SIZE_BYTES: Final = 1_232
"""Size offered for answers over UDP: not fragmented on any usual path (DNS flag day 2020)."""
DNS_RECEIVE_BUFFER_SIZE_BYTES: Final = MIB
"""Kernel buffer requested for questions that were not read yet. The kernel may give less."""
DNS_QUERY_SIZE_BYTES_MAX: Final = 512
"""Size of a question. A name has at most 255 bytes, so anything larger is not a valid question."""
DNS_PORT_TRIES: Final = 16
"""Ports tried until one is free for UDP and TCP on both addresses."""
DNS_PORT_RETRY_S: Final = 10.0
"""Pause before ports are tried again when none was free."""
DNS_ASKED_S: Final = 300.0
"""A name that was not asked for in this time belongs to no origin any more and appears in no
notice."""
DNS_TOLD_NAMES_MAX: Final = 5
"""Names that get a notice each; further ones share one."""
DNS_TOLD_ADDRESSES_MAX: Final = 4
"""Addresses of a name that a notice shows."""

# --- Telemetry -----------------------------------------------------------------------------------

ADMIN_RESPONSE_SIZE_BYTES_MAX: Final = 32 * MIB
"""Size of one answer of Envoy's admin interface. Statistics of 1,000 sites take about 2 MiB."""
ADMIN_TIMEOUT_S: Final = 5.0
"""Time for one admin request. Envoy answers in milliseconds unless its main thread is busy with a
release."""
STATS_LINES_MAX: Final = 400_000
"""Lines read of one answer with statistics. 2,000 sites and 4,000 origins give fewer than
100,000."""
STATS_GARBLED_MAX: Final = 1_000
"""Names of unreadable statistics that are kept of one answer. More than a few mean that the answer
is not Envoy's."""
LATENCY_SAMPLES_MIN: Final = 20
"""Requests that a window needs before a percentile is given: with fewer, a p95 depends on a single
request."""
WINDOW_SITES_MAX: Final = 4_000
"""Sites in one window: twice `SITES_MAX`, because a release may replace every site."""
WINDOW_DURATION_S: Final = 10.0
"""Length of a window unless a commit cuts it short: two polls."""
WINDOW_DURATION_S_MAX: Final = 600.0
"""Longest duration recorded for a window when Envoy could not be read for a long time: half the age
up to which control accepts windows. Everything since the last reading is counted, even if that took
longer."""
WINDOWS_KEPT_MAX: Final = 60
"""Closed windows that a node keeps while control is away: 10 minutes of them."""
WINDOWS_SITES_KEPT_MAX: Final = 20_000
"""Site entries in all kept windows of an Envoy together, and in the windows of one report; about 5
MiB. Beyond it the oldest are dropped."""
STATS_POLL_INTERVAL_S: Final = 5.0
"""Time between two polls of Envoy's statistics: the period at which Envoy merges its histograms."""
STATS_AGAIN_S: Final = 1.0
"""Pause before statistics are asked for again when Envoy gave none, which mostly means that it has
just started."""
STATS_UNANSWERED_TOLD: Final = 4
"""Questions in a row without an answer after which an Envoy that has never answered gets a
notice."""
NOTICES_MAX: Final = 20
"""Standing notices of one node. A longer list would hide the first."""
OPEN_FILES_USED_UP_SHARE: Final = 0.98
"""Share of the files that Envoy may open. When so many are open, a silent admin socket is explained
by them."""
OPEN_FILES_FEW_SHARE: Final = 0.8
"""Share of the files that Envoy may open. When so many are open, `status` warns."""
OPEN_FILES_OF_A_CONNECTION: Final = 2
"""Files that one client connection may need: its own, and one to the origin."""
ACCESS_RECORD_SIZE_BYTES_MAX: Final = 256 * KIB
"""Size of one access record: everything it may contain, each value at its longest and escaped as
JSON."""
ACCESS_RECORD_VALUE_SIZE_BYTES_MAX: Final = 512
"""Size of one text in a record that clients or origins choose, before escaping; the rest is cut
off. Over HTTP/2, 30 bytes from a client can stand for 60 KiB of headers: recorded whole, they would
fill the disk 10,000 times faster than the flood comes and displace all other records. User agents
of browsers have at most half this length."""
ACCESS_RECORD_PATH_SIZE_BYTES_MAX: Final = 2 * KIB
"""The same for the path: file names in other alphabets take nine characters for each letter."""
METRIC_SITES_MAX: Final = 2_000
"""Sites with their own Prometheus series: as many as an edge may have. Further ones share the
series `_other`."""
METRIC_SLOT_BEHIND_MAX: Final = 6
"""The gauges of a slot end when the node's stable slot has sent this many windows since that slot's
last one. Its trial has then been over for a minute."""
METRIC_TIME_AGE_S_MAX: Final = 300.0
"""Age, in measured time, after which a request duration is no longer exported: as long as
Prometheus itself keeps a sample that is not renewed. Otherwise a removed site would look slow for
ever."""
STORY_VALUE_LENGTH_CHARS_MAX: Final = 200
"""Length of one value in the story of a request, because paths and user agents can be long."""
WHY_FACTS_PER_RULE_MAX: Final = 32
"""Facts that a story shows for one rule: twice what the longest built-in rule asks for. Of a longer
one it says how many it leaves out."""
ACCESS_RECORDS_PER_S_MAX: Final = 1_000
"""Requests of one kind (ordinary, refused, failed) recorded each second on one node. Above it only
a share is recorded, smaller the more requests come: a flood costs little CPU, and the files below
hold 15 minutes of one kind at its limit, or 4 minutes of all three."""
ACCESS_LOG_FILE_SIZE_BYTES_MAX: Final = 64 * MIB
"""Size of one access-record file before it is rotated: about 100,000 records."""
ACCESS_LOG_FILES_MAX: Final = 8
"""Access-record files on disk, including the current one: 512 MiB in all."""
ACCESS_LOG_DISK_FREE_BYTES_MIN: Final = 256 * MIB
"""Free disk space below which rotated access records are deleted, oldest first, with a notice."""
ACCESS_LOG_DISK_FULL_BYTES: Final = MIB
"""Free space below which a disk is called full: less than a store or a bundle may need to grow."""
STORE_RESERVE_SIZE_BYTES: Final = MIB
"""Disk space reserved next to the store, for use when the disk is full: enough for several releases
and rollbacks."""
STORE_RESERVE_SIZE_BYTES_MIN: Final = 64 * KIB
"""Smallest reserve, kept when there is no room for more: enough to read the store."""
STORE_RESERVE_ROOM_BYTES_MIN: Final = 16 * MIB
"""Free disk space at which a running control takes its reserve back."""
STORE_RESERVE_INTERVAL_S: Final = 5.0
"""How often control tries to take the reserve back, which costs microseconds. A disk that was full
soon fills up again."""
STAND_IN_SIZE_BYTES_MAX: Final = 512 * MIB
"""Size of a data directory that may be copied into memory when its disk becomes read-only: a store
of some thousand releases. Every machine that serves an edge has at least twice this memory."""
ACCESS_READ_SIZE_BYTES: Final = 1 * MIB
"""How much is read at once when records are searched backwards from the end."""
FORWARDED_SAMPLE_SIZE_BYTES_MAX: Final = 128 * KIB
"""Newest records that each poll searches for forwarded-for headers from senders that are not
trusted."""
FORWARDED_SHARE_MIN: Final = 0.05
"""Share of these records that must have such a header before there is a notice. Your own proxy
sends it with every request; on any public address a stranger sends one now and then."""
REQUEST_ID_LENGTH_CHARS_MAX: Final = 128
"""Length of a request id to search for. Envoy's own are UUIDs with 36 characters."""
LOG_FILE_SIZE_BYTES_MAX: Final = 8 * MIB
"""Size of one file of Seawall's own log before it is rotated."""
LOG_FILES_MAX: Final = 4
"""Log files of each Seawall process, including the current one."""
LOG_VALUE_LENGTH_CHARS_MAX: Final = 4_000
"""Length of one value in a line of the log."""

# --- Supervisor ----------------------------------------------------------------------------------

CHILD_RESTART_PAUSE_MIN_S: Final = 0.1
"""Shortest pause before a process that ended is started again: immediate for people, but not a busy
loop."""
CHILD_RESTART_PAUSE_MAX_S: Final = 5.0
"""Longest such pause: a process that keeps failing costs little and recovers soon once it can."""
CHILD_STABLE_AFTER_S: Final = 30.0
"""A process that ran this long has recovered: its next pause is the shortest again."""
CHILD_ENDS_MAX: Final = 3
"""Ends in a row, each soon after a start, after which commands no longer wait for that process. One
end may be a kill, and a second one its consequence."""
LAST_WORDS_LENGTH_CHARS_MAX: Final = 400
"""How much of the last output of an ended process is kept, for commands that do not find it
running. A sentence or two always fit the run file of 4 KiB, also when escaped."""
CHILD_OUTPUT_SIZE_BYTES_MAX: Final = 4 * MIB
"""Size of what a process writes outside its log, such as tracebacks. Beyond it the file is
emptied."""
STRANGERS_REAPED_MAX: Final = 64
"""Ended processes that others left to the supervisor and that it reaps at once; the rest follow at
its next look."""
SUPERVISOR_TICK_S: Final = 5.0
"""How often the supervisor checks its processes without being woken. This also limits how far an
output file can grow."""
SUPERVISOR_UNREAD_SIZE_BYTES_MAX: Final = 64 * KIB
"""Output of the supervisor kept while nobody reads its terminal or pipe: some hundred lines. More
is left out, because nothing may wait for a reader."""
STOP_TIMEOUT_S: Final = 20.0
"""Time from Ctrl-C to the end, for Envoy to drain and every process to finish. What still runs then
is killed."""
STOP_NOW_TIMEOUT_S: Final = 3.0
"""The same time after a second Ctrl-C."""
LEAVE_TIMEOUT_S: Final = 40.0
"""Time from `seawall down --keep-serving` to the end of all processes except Envoy. A candidate is
withdrawn first, and its connections may continue for `ENVOY_SWAP_DRAIN_S`. What still runs then is
killed."""
LEFTOVER_TIMEOUT_S: Final = 5.0
"""How long a new supervisor waits for the processes of a killed one, which end when its pipe
closes."""
CONTROL_START_TIMEOUT_S: Final = 15.0
"""Time after which an edge that serves from disk is reported as serving without its control
process."""
LISTEN_LAG_S: Final = 5.0
"""How long the first request of `seawall up` may find nobody who listens, after Envoy said that it
does: its workers begin a moment later, on a busy machine up to a second."""
FIRST_RELEASE_TIMEOUT_S: Final = 60.0
"""Time from `seawall up` until the first release serves. Validating a large one takes seconds."""

# --- Trial on a node -----------------------------------------------------------------------------

TRIAL_LEASE_S: Final = 60.0
"""How long a trial continues without an answer from control. This survives one lost answer of a
long poll, and is short enough that a forgotten candidate does not run all night."""
HEAD_START_S: Final = 15.0
"""How long the candidate of a change that is being prepared waits for it, with what it shares with
the current release loaded. The gate takes a second, and several for thousands of sites. A change
that it refuses, or that comes later, leaves an idle Envoy for this time."""
TRIAL_ATTEMPTS_MAX: Final = 3
"""How often an agent may die while starting the same assignment. After that the node does not take
it."""
TRIAL_ANSWER_TIMEOUT_S: Final = 1.0
"""Time for a candidate's answer on its admin socket, which takes milliseconds. It is asked all the
time."""
TRIAL_UNANSWERED_MAX: Final = 2
"""Questions in a row that a candidate leaves unanswered while stable answers each; then the
candidate counts as hung."""
TRIAL_WATCH_INTERVAL_S: Final = 0.25
"""Time between two checks of a candidate: whether it lives, its memory, its golden requests."""
TRIAL_STATS_INTERVAL_S: Final = 1.0
"""Time between two polls of statistics in a trial, and so the length of a window. The judge looks
this often."""
TRIAL_WINDOWS_MAX: Final = 360
"""Windows of a trial that the node's own brake looks at: two minutes of three slots."""
TRIAL_SITES_MAX: Final = 200_000
"""Site entries over all these windows, oldest dropped first: about 70 MiB, and half a minute of
three slots in which each of 2,000 sites is busy."""
TRIAL_MEMORY_FACTOR_MAX: Final = 2
"""A candidate may use this many times the memory of the stable slot, plus
`TRIAL_MEMORY_EXTRA_BYTES_MAX`. Beyond that it is withdrawn."""
TRIAL_MEMORY_EXTRA_BYTES_MAX: Final = 256 * MIB
"""Covers what does not depend on the size of the stable slot: the start of a new engine, and caches
that fill."""
GOLDEN_TIMEOUT_S: Final = 5.0
"""Time for one golden request: longer than a slow origin takes, and much shorter than the deadline
of the taste."""
GOLDEN_HEAD_SIZE_BYTES_MAX: Final = 64 * KIB
"""Size of the status line and headers of an answer to a golden request."""
GOLDEN_BODY_SIZE_BYTES_MAX: Final = 64 * KIB
"""How much of the body of such an answer is read: text that it must contain is usually near the
top."""
GOLDEN_ATTEMPTS_MAX: Final = 3
"""How often in a row a difference must show before it counts, because origins are not always
consistent."""
GOLDEN_LATE_ATTEMPTS_MAX: Final = 2
"""The same when the only difference is that the candidate is late. A passing delay is over within
`GOLDEN_TIMEOUT_S`, and clients wait while a hung candidate is asked again."""
GOLDEN_CONCURRENCY_MAX: Final = 8
"""Golden requests in flight at once, so that the taste of many sites does not flood an origin."""
GOLDEN_IMPLICIT_MAX: Final = 50
"""Requests `GET /` that Seawall makes up for sites without golden requests; further such sites get
none."""
GOLDEN_AROUND_MAX: Final = 10
"""How many of these go to unchanged sites when a release changes nothing that all sites share. They
only show that the candidate serves at all."""
GOLDEN_TOUCHED_MAX: Final = 50
"""Changed routes whose path to the origin is tried before clients use it, beginning with one for
each origin. A release with more is a migration, and requests of clients test the rest."""
GOLDEN_ROUND_MAX: Final = 20
"""Golden requests in one round of a canary. The next round continues where this one ended."""
GOLDEN_ROUNDS_QUICK: Final = 8
"""Rounds at the start of a step that follow each other at once; later ones come every
`GOLDEN_ROUND_INTERVAL_S`."""
GOLDEN_ROUND_INTERVAL_S: Final = 1.0
"""Time between later rounds: often enough to notice that Envoy's workers hang, and little load for
the origins."""

# --- Steering on a node --------------------------------------------------------------------------

PROBE_TIMEOUT_S: Final = 10.0
"""Time for an Envoy to accept a test connection. Usually this takes microseconds, and up to 0.8 s
for a candidate on a machine with nine times more work than it can do. After that Envoy does not
accept."""
LEARN_ATTEMPTS_MAX: Final = 3
"""How often the sockets of an address are looked at before they are reported as belonging to
another program. An Envoy has one for each worker and opens them one after the other."""
STEER_SETTLE_S: Final = 1.0
"""How long an Envoy that gets no more connections waits for handshakes that had begun; a distant
client answers within this time."""
STEER_QUEUE_S_MAX: Final = 5.0
"""Longest wait, after that, until the queues of unaccepted connections of this Envoy are empty."""
TRIAL_BIND_TIMEOUT_S: Final = 10.0
"""Time from the acknowledgement of a public listener to its open socket, which usually takes
milliseconds."""
TRIAL_NICE: Final = 5
"""How much lower the priority of candidate and baseline is than that of stable (nice). When CPU is
short, stable gets about three times their share; otherwise nothing changes. Both get the same
value, so they stay comparable."""
TRIAL_OOM_SCORE: Final = 500
"""Added to the out-of-memory score of candidate and baseline, in thousandths of all memory: the
kernel kills them before stable."""
TRIAL_MEMORY_SHARE_MAX: Final = 0.5
"""Share of the machine's memory that each of them may use (RLIMIT_DATA). The kernel enforces it
even when the agent is not watching."""
TRIAL_MEMORY_BYTES_MIN: Final = 2 * GIB
"""Lower bound of that limit on small machines, because Envoy's allocator and thread stacks reserve
more than they use."""
TICKET_KEY_LIFE_S: Final = 8 * 3_600.0
"""How long one key encrypts TLS session tickets. A stolen key reveals no more than the sessions of
this time."""
TICKET_KEYS_KEPT: Final = 3
"""The newest key and the older ones that can still read tickets; together they cover a day."""

# --- Hardening of the data plane ------------------------------------------------------------------
# Defaults of what a site file sets under `limits:` are not here; it cannot change these bounds.

DELAYED_CLOSE_TIMEOUT_S: Final = 1
"""How long a connection that is being closed waits for the client to take the last answer. A client
that waits for the edge to close, as after a WebSocket's last message, waits as long."""
CONNECTION_DRAIN_TIMEOUT_S: Final = 1.0
"""Time between announcing the end of a connection and closing it, for requests already on their
way. With Envoy's default of 5 s, clients that read until the connection ends would wait as long."""
HANDSHAKE_TIMEOUT_S: Final = 10
"""Time for the TLS handshake and for the PROXY protocol header, each. A shorter header timeout of
the site applies instead."""
CLIENT_HELLO_SIZE_BYTES_MAX: Final = 16 * KIB
"""Size of a ClientHello: one TLS record. Post-quantum ones take about 2 KiB."""
CONNECTION_BUFFER_SIZE_BYTES_MAX: Final = 64 * KIB
"""Read and write buffer of a connection, to clients and to origins. A slow reader holds about twice
this; fast links are filled from the kernel's buffer."""
TCP_BACKLOG_MAX: Final = 4_096
"""Connections that wait to be accepted. The kernel's somaxconn applies too."""
ACCEPTS_PER_WAKE_UP_MAX: Final = 16
"""New connections that a worker accepts at once, so that a flood of connections does not delay
requests being served."""
REQUESTS_PER_WAKE_UP_MAX: Final = 16
"""Requests that a worker starts from one connection before it serves the others."""
HTTP2_STREAM_WINDOW_BYTES: Final = 256 * KIB
"""Request body in flight on one stream. It allows about 20 Mbit/s of upload at 100 ms."""
HTTP2_CONNECTION_WINDOW_BYTES: Final = 1 * MIB
"""Request bodies in flight on one connection. This limits how much a client can make Envoy
buffer."""
ORIGIN_HTTP2_STREAMS_MAX: Final = 1_024
"""Concurrent requests on one connection to an HTTP/2 origin. Further requests open another
connection."""
ORIGIN_HTTP2_STREAM_WINDOW_BYTES: Final = 256 * KIB
"""Part of an HTTP/2 origin's answer that is held for a client that does not read. It allows about
20 Mbit/s for each answer from an origin that is 100 ms away."""
ORIGIN_HTTP2_CONNECTION_WINDOW_BYTES: Final = (
    ORIGIN_HTTP2_STREAMS_MAX * ORIGIN_HTTP2_STREAM_WINDOW_BYTES
)
"""Answers in flight on one connection to an origin, for all its requests together. With less, a few
clients that do not read would block the answers to all others."""
HTTP2_HPACK_TABLE_SIZE_BYTES_MAX: Final = 4_096
"""Size of the HPACK table kept for a client: the default of RFC 7541."""
HTTP2_OUTBOUND_FRAMES_MAX: Final = 10_000
"""Frames waiting for a client that does not read. Beyond it the client is disconnected."""
HTTP2_OUTBOUND_CONTROL_FRAMES_MAX: Final = 1_000
"""The same for PING, SETTINGS and RST_STREAM frames alone."""
HTTP2_EMPTY_FRAMES_MAX: Final = 1
"""Frames in a row that carry no data and do not end a stream."""
HTTP2_PRIORITY_FRAMES_PER_STREAM_MAX: Final = 100
"""PRIORITY frames for each stream that a client opened. Browsers send one or two."""
HTTP2_WINDOW_UPDATES_PER_DATA_FRAME_MAX: Final = 10
"""WINDOW_UPDATE frames for each DATA frame sent to a client. Honest clients send at most two."""
HTTP2_PREMATURE_RESETS_MIN: Final = 200
"""Streams after which a connection is closed if most of them were reset early (rapid reset)."""
HTTP2_STREAM_LIFETIME_S_MIN: Final = 1
"""A stream that is reset sooner than this counts as reset early."""
OVERLOAD_REFRESH_S: Final = 0.25
"""How often Envoy checks its heap. In between, an attacker at 1 Gbit/s can add 32 MiB."""
OVERLOAD_TIMEOUT_SHARE_MIN: Final = 0.1
"""Share to which idle and handshake timeouts shrink under full memory pressure."""

# --- HTTP API and control process --------------------------------------------------------------

API_BODY_SIZE_BYTES_MAX: Final = 48 * MIB
"""Size of one request body. The largest configuration fits, although JSON or base64 makes it half
as large again."""
API_SMALL_BODY_SIZE_BYTES_MAX: Final = 64 * KIB
"""Size of a request body without site files or reports: only names, messages and numbers."""
API_CHECKS_AT_ONCE_MAX: Final = 4
"""Requests with site files to check or compare that one listener of the API reads at once. Each
takes twice its size of up to 48 MiB; further ones wait before their body is read."""
API_FEED_BODY_SIZE_BYTES_MAX: Final = 16 * MIB
"""Size of a pushed feed: the largest list, encoded as JSON or base64."""
API_HEADER_TIMEOUT_S: Final = 10.0
"""Time for a complete request head, counted from the connection or from the first byte after the
previous answer."""
API_BODY_TIMEOUT_S: Final = 30.0
"""Time for a whole request body: 48 MiB at 13 Mbit/s. Slower senders would only occupy memory."""
SOCKET_LOOK_S: Final = 2.0
"""How often a process checks that the files of its own sockets still exist, because a cleaner of
temporary files may delete them."""
SOCKETS_MADE_AGAIN_MAX: Final = 100
"""How often a process recreates a deleted socket in its lifetime. Each time the previous server
stays for the clients it has."""
API_KEEP_ALIVE_S: Final = 60
"""Time after which an idle connection is closed. It is longer than a node's long poll, so that
nodes need not reconnect each time."""
API_CONNECTIONS_MAX: Final = 128
"""Connections of one API listener at once: people, scripts and scrapers are few. Over TCP, those
that have shown a valid token."""
API_STRANGERS_MAX: Final = 128
"""Additional connections to the API over TCP that have shown no valid token yet. If one more comes,
the oldest of them is closed."""
API_STRANGER_IDLE_S: Final = 1
"""How long such a connection may stay idle after an answer: it was told that it needs a token."""
API_ORDERS_MAX: Final = 32
"""Requests beyond API_CONNECTIONS_MAX that are answered at once if they change something or come
from the node of this machine. A rollback must get through while a program asks in a loop."""
API_SHUTDOWN_TIMEOUT_S: Final = 3
"""How long a stopping control process waits for requests in flight. A release that is under way is
recorded."""
API_PAGE_ITEMS_MAX: Final = 200
"""Releases, audit entries or tokens in one answer."""
API_CHANGES_SHOWN_MAX: Final = 500
"""Changes listed in one answer; the others are only counted."""
API_SITES_SHOWN_MAX: Final = 100
"""Sites whose traffic one status shows, the busiest first; the others are only counted."""
API_TOKENS_MAX: Final = 100
"""Valid API tokens at once: enough for one per person and script, but not one per run."""
API_TOKEN_LIFETIME_S_MAX: Final = 3_653 * 86_400.0
"""Longest lifetime of an API token that has one. More than ten years is a typing error: for a token
without an end, leave the end out."""
API_NAME_LENGTH_CHARS_MAX: Final = 200
"""Length of an author, token name, release id or node name that a caller sends."""
SOURCE_PATH_LENGTH_CHARS_MAX: Final = 4_096
"""Length of the path of a source file: PATH_MAX of Linux."""
NODE_REPORT_SIZE_BYTES_MAX: Final = 16 * MIB
"""Size of one report of a node. A window of 2,000 sites takes about 0.5 MiB, and several may be
waiting."""
NODES_MAX: Final = 2_000
"""Nodes that control remembers: twice the largest fleet that is tested."""
NODE_SILENT_AFTER_S: Final = 20.0
"""A node without a report for this long is shown as not connected."""
TWIN_RETURNS_MIN: Final = 3
"""How often an agent must report again after another agent of the same name before they are
reported as two machines. The late last report of an old agent gives only two."""
TWIN_LIVES_MAX: Final = 8
"""Agents of one name that are remembered, to notice when one of them reports again."""
TWIN_REMEMBERED_S: Final = 60.0
"""How long two machines of one name are still reported after they last took turns: six times the
longest pause between two reports."""
TRAFFIC_SPAN_S: Final = 60.0
"""Period over which `status` computes its rates: long enough to be steady, short enough to be
current."""
TRAFFIC_WINDOWS_MAX: Final = 2_000
"""Windows kept for those rates, whatever their length: in a trial every slot sends one each
second."""
TRAFFIC_SITES_MAX: Final = 400_000
"""Site entries in all windows kept for those rates, oldest dropped first: about 120 MiB, or a
minute of 30 nodes with 2,000 busy sites each. Without it, a lying node could name thousands of
sites in each window."""
STATUS_NAMES_TOLD_MAX: Final = 3
"""Nodes named in one notice of `status` when many of them report the same."""
STATUS_NODES_SHOWN_MAX: Final = 4
"""Nodes that `status` shows with their Envoys. In a larger fleet it shows only those with trouble,
so that they fit on one screen."""
APPLY_SERVE_TIMEOUT_S: Final = 60.0
"""How long `apply` waits until a node serves the release. After that the release goes on without
the caller."""
APPLY_LOST_PATIENCE_S: Final = 20.0
"""How long `apply` keeps waiting for a release that is held because a node is not ready. A
restarted agent takes over its Envoys within seconds, and the release goes on."""
APPLY_WAITS_S: Final = 2.0
"""How often a command that waits for a canary is told what the canary waits for: two windows of the
judge."""
APPLY_SILENCE_S: Final = 20.0
"""Longest time without an event for a caller that follows a release; then the last one is repeated.
After six times as long a command considers the connection broken; many proxies do so after a
minute."""
APPLY_EVENTS_QUEUED_MAX: Final = 256
"""Progress events that wait for a slow reader. An apply has about 25."""
BAKE_S: Final = 15.0
"""How long a release must run well on a node before it is last known good: several measurement
windows and health checks."""
STANDING_WORK_PAUSE_S: Final = 10.0
"""Wait before work that never ends (watching files, ending switches, jobs) begins anew after a
defect ended it, each time with a line in the log."""
WORKBENCH_IDLE_S: Final = 60.0
"""Time without work after which the workbench, the process that compiles, is ended to give its
memory to Envoy. Within it, the next change does not wait for the process to start."""
WORKBENCH_MEMORY_BYTES_MAX: Final = 4 * GIB
"""Memory of the workbench (RLIMIT_DATA). 1,000 sites take 0.3 GiB; input that explodes in memory
ends one job, not the machine."""
WORKBENCH_JOB_TIMEOUT_S: Final = 150
"""Time for one job of the workbench: two validations at their own limit, and everything else."""
WORKBENCH_END_TIMEOUT_S: Final = 2.0
"""How long control waits, after the workbench's line broke, for its exit code, which tells the
cause."""
WORKBENCH_READ_SIZE_BYTES: Final = 1 * MIB
"""How much is read from the workbench at once: a bundle of a few MiB comes in a few pieces."""
CERTIFICATE_POLL_S: Final = 3.0
"""How often referenced files are checked: one stat of each, and a read if it changed."""
FILES_RETRY_S_MIN: Final = 600.0
"""Pause before changed files whose release was refused are tried again; it doubles after each
further refusal. By then most causes are over: a freeze, another release, a busy machine."""
FILES_RETRY_S_MAX: Final = 6 * 3_600.0
"""Longest such pause. A renewed certificate is usually weeks ahead, and each attempt is a
release."""
CERTIFICATE_RENEWAL_POLL_S: Final = 12 * 3_600.0
"""How often control looks for development certificates that need renewal."""
CERTIFICATE_RENEWAL_BEFORE_S: Final = 30 * 86_400.0
"""A certificate with a shorter remaining lifetime may be due for renewal by the program that made
it."""

# --- Rollout -------------------------------------------------------------------------------------

ROLLOUT_NODE_PATIENCE_S: Final = 30.0
"""How long a connected node may take to accept an assignment or to steer. For a taste it is added
to the taste's own deadline."""
ROLLOUT_COMMIT_PATIENCE_S: Final = 75.0
"""How long a connected node may take to commit. It gives up by itself well before."""
ROLLOUT_BAKE_PATIENCE_S: Final = 60.0
"""Extra time after the bake for the last node to report a release as good."""
ROLLOUT_LOST_SHARE_MAX: Final = 0.02
"""Share of a wave's nodes that may fall silent without holding the rollout: in a large fleet some
node always does."""
ROLLOUT_WAIT_S_MAX: Final = 24 * 3_600.0
"""A rollout that was held or paused for this long is withdrawn: nobody came, and candidates cost
resources."""
ROLLOUT_SLACK_S: Final = 120.0
"""Time added once to the sum of a policy's deadlines, because nodes take time between the steps."""
ROLLOUT_RATE_SPAN_S: Final = 30.0
"""Period of past requests used to estimate whether enough will come: three windows of a quiet
node."""
ROLLOUT_HARM_REQUESTS_MIN: Final = 5
"""Requests that must be expected on the candidate during a step's soak to make waiting worthwhile
when health cannot be proved. They are enough to expose a release that fails all of them."""
ROLLOUT_REOFFER_S: Final = 60.0
"""Pause before a node that refused its release is told again to run it: the port, for example, may
be free by then."""
ROLLOUT_BRAKED_REOFFER_S: Final = 300.0
"""The same if the node withdrew because it did worse than before: each new attempt may harm its
clients."""
ROLLOUT_TICK_S: Final = 0.5
"""How often a running rollout is checked even without news, and so how exact its deadlines are."""
ROLLOUT_IDLE_TICK_S: Final = 5.0
"""The same when no rollout runs: a node may have fallen silent, or another leader may have
written."""
ROLLOUT_STUCK_S: Final = 20.0
"""If control could not carry out a plan for this long, it stops answering nodes in a trial, so that
their lease ends."""
ROLLOUT_PAUSE_S: Final = 0.02
"""Shortest time between two plans, because the reports of a fleet come in bursts."""
ROLLOUT_PAUSE_FACTOR: Final = 2
"""The pause is also at least this many times as long as the last plan took, so that a large fleet
does not starve the API."""
ROLLOUT_IDLE_PAUSE_S: Final = 0.2
"""The same pause when no rollout runs: a node that joins can wait this long."""
ROLLOUT_EVENTS_LIVE_MAX: Final = 1_000
"""Events kept in memory for those who watch a rollout; older ones are in the store."""
EVIDENCE_WINDOWS_PER_NODE_MAX: Final = 600
"""Windows of one node kept for the judge: more than three minutes of three slots with one each
second."""
EVIDENCE_WINDOWS_MAX: Final = 30_000
"""Windows of all nodes kept for the judge: 10 s of a fleet of 1,000. Beyond it the oldest are
dropped."""
EVIDENCE_SITES_MAX: Final = 200_000
"""Site entries in all windows kept for the judge: about 60 MiB. Beyond it the oldest are
dropped."""
EVIDENCE_SPAN_S: Final = 600.0
"""Age after which a window no longer counts as evidence: long steps are judged by their newest
part."""
REFUSALS_KEPT_MAX: Final = 32
"""Releases for which the words of a refusing Envoy are kept: those that somebody waits for."""
ROLLOUT_MOVES_MAX: Final = 400
"""Moves of one plan that assign nothing, such as waves without nodes. More can only be an endless
loop."""
ROLLOUTS_WAITING_MAX: Final = 16
"""Feeds that wait for their turn. Of each feed only the newest push waits."""
ROLLOUTS_KEPT_MAX: Final = 1_000
"""Rollouts that are remembered with their history; older ones are deleted."""
ROLLOUT_EVENTS_KEPT_MAX: Final = 20_000
"""Sentences of history for all rollouts together. A rollout has about 20."""
ROLLOUT_EVENT_LENGTH_CHARS_MAX: Final = 1_000
"""Length of one sentence of the history, which may quote Envoy."""
ROLLOUT_STATE_SIZE_BYTES_MAX: Final = 1 * MIB
"""Size of one stored rollout. The names of 2,000 nodes in three lists take 0.4 MiB."""
GENERATION_LEAD_MAX: Final = 1_000_000
"""How far a node's generation may be ahead of the store's, as after a restored backup. A larger
lead is not believed, because it would use up the numbers."""
FEED_STEP_SHARES_PERMILLE: Final = (100, 500)
"""Steps of a feed, in thousandths of new connections. There are two, so that a bad feed is mostly
caught while few clients meet it."""
FEED_STEP_SOAK_S: Final = 1.0
"""Shortest duration of a feed's step: one window of the judge."""
FEED_STEP_DEADLINE_S_MAX: Final = 30.0
"""Longest wait for evidence in a feed's step, even for a feed that rarely comes."""
FEED_PERIOD_S: Final = 300.0
"""Assumed time between two pushes of a feed that does not state it."""
FEED_PERIOD_S_MIN: Final = 10.0
"""Shortest period of a feed: one that came more often could not be tried in between."""
SWITCH_DEADLINE_S: Final = 60.0
"""Time from the start of a switch until every connected node has it: one node first, then all."""
SWITCH_TASTE_S: Final = 15.0
"""Time for the first node's taste of a switch."""

# --- Rollout policy and golden requests ----------------------------------------------------------

STEP_SOAK_S: Final = 5.0
"""Default minimum duration of a step with traffic: several windows of the judge."""
STEP_DEADLINE_S: Final = 120.0
"""Default time that a step waits for evidence. After that the policy for too little traffic
decides."""
TASTE_DEADLINE_S: Final = 60.0
"""Default time for a candidate's start and golden requests. A large release takes seconds."""
ROLLOUT_STEPS_MAX: Final = 20
"""Steps of a canary. More steps only wait longer for the same evidence."""
ROLLOUT_WAVES_MAX: Final = 32
"""Waves of nodes. Each goes through all steps."""
ROLLOUT_DURATION_S_MAX: Final = 14 * 86_400
"""Longest rollout if all waves use their full deadlines."""
GOLDEN_PER_SITE_MAX: Final = 20
"""Golden requests of one site. Each is sent to several processes at every release."""
GOLDEN_MAX: Final = 2_000
"""Golden requests of all sites together: so many can be sent within seconds."""
GOLDEN_HEADERS_MAX: Final = 16
"""Request headers of one golden request."""
GOLDEN_TEXT_LENGTH_CHARS_MAX: Final = 1_024
"""Length of the text that the answer to a golden request must contain: a line, not a page."""
BUNDLE_ROLLOUT_SIZE_BYTES_MAX: Final = 2 * MIB
"""Size of a release's golden requests and rollout policy: 1 KiB for each of `GOLDEN_MAX`
requests."""
GOLDEN_STATUSES_MAX: Final = 16
"""Statuses that one golden request may allow."""

# --- Drills --------------------------------------------------------------------------------------
DRILL_CLIENTS_MAX: Final = 400
"""Requests of the crowd in flight at once: a fleet that hangs must not exhaust the machine."""
DRILL_CLIENT_TIMEOUT_S: Final = 2.0
"""How long a client of a drill waits for an answer before the request counts as failed."""
DRILL_STOP_DRAIN_S: Final = 0.0
"""How long a private fleet drains when it is stopped: not at all, because no clients are left."""
DRILL_FAILED_SHARE_OF_NAIVE_MAX: Final = 0.001
"""Goal for all drills together: failed requests as a share of those that fail the naive way."""
DRILL_FAILED_SHARE_MAX: Final = 0.01
"""Share of one drill's requests that may fail: what a small share of one node may cost before the
release is withdrawn."""
DRILL_RATE_PER_S: Final = 240.0
"""Requests of the crowd each second: 80 for each of three nodes. Enough for a verdict in half a
minute, and still little load for two cores."""
DRILL_WARM_UP_S: Final = 2.0
"""Traffic before the fault, so that the judge knows what is usual."""
DRILL_POLL_S: Final = 0.1
"""How often a drill checks whether the fleet is quiet."""
DRILL_START_TIMEOUT_S: Final = 60.0
"""Time for a private fleet to serve its first release on a busy machine."""
DRILL_TIMEOUT_S: Final = 120.0
"""Time after which a drill ends, whatever the state of the fleet."""
DRILL_ALARM_FAILED_MIN: Final = 10
"""Failed requests in one second that raise the naive operator's alarm."""
DRILL_RESTART_FORGIVEN_S: Final = 2.0
"""When a drill kills every Envoy or restarts every node, failures until this time after it are not
counted: no fleet could serve while all of its Envoys start."""
DRILL_HUMAN_REACTION_S: Final = 10.0
"""Time from the alarm to a person's undo in the naive way. In the real outages it took 20 minutes
to hours, so this short time favours the naive way."""

# --- Switches and feeds ---------------------------------------------------------------------------

SWITCHES_MAX: Final = 64
"""Kill switches on at once. An emergency needs a few; more belong in the configuration."""
SWITCH_TTL_S: Final = 30 * 60.0
"""How long a kill switch lasts by default: long enough to fix the cause, short enough not to be
forgotten."""
SWITCH_TTL_S_MIN: Final = 10.0
"""Shortest lifetime of a kill switch: its own rollout takes seconds."""
SWITCH_TTL_S_MAX: Final = 7 * 86_400.0
"""Longest lifetime of a kill switch. What stays off for longer belongs in the site file."""
SWITCH_POLL_S: Final = 1.0
"""How often control checks whether a switch has expired."""
SWITCH_RETRY_S: Final = 30.0
"""Pause before control tries again to end expired switches after that release was refused."""
SWITCH_TURN_WAIT_S: Final = 20.0
"""How long a switch or a promoted model waits for a release that is in the gate."""
SWITCH_ATTEMPTS_MAX: Final = 3
"""How often a switch is made again because something else went live while it was in the gate, which
takes a second. Feeds and site files come minutes apart."""
FEEDS_WAITING_MAX: Final = 32
"""Feeds whose newest push waits for its turn: more than the lists and models that an edge has."""
FEED_FOLLOW_S: Final = 600.0
"""How long the caller of a push is kept while the push waits for its turn; a rollout in steps takes
minutes. After that the push waits on without the caller."""
SWITCH_REASON_LENGTH_CHARS_MAX: Final = 500
"""Length of the reason given for a switch: a sentence or two."""
LISTS_MAX: Final = 16
"""Address lists of an edge. Each is looked up on every request of a site that names it."""
LIST_ENTRIES_MAX: Final = 100_000
"""Networks on one list. With Envoy's trie this many take 19 MB and a second to load."""
LIST_ENTRIES_ALL_MAX: Final = 200_000
"""Networks on all lists of an edge together, because they are one resource of Envoy."""
LIST_COPIES_MAX: Final = 1_000_000
"""Networks in one route table, counting every copy: 190 MB of Envoy's memory at 190 bytes each."""
LIST_SIZE_BYTES_MAX: Final = 8 * MIB
"""Size of one list as text: the largest number of the longest entries, with comments."""
LIST_LINE_LENGTH_CHARS_MAX: Final = 1_024
"""Length of one line of a list: an address and the comment behind it."""
LIST_PREFIX_IPV4_MIN: Final = 8
"""Shortest prefix of an IPv4 network on a list, which has 16 million addresses. A wider network
comes from a broken generator."""
LIST_PREFIX_IPV6_MIN: Final = 16
"""Shortest prefix of an IPv6 network on a list. Providers hold a /19 or less."""
LIST_PROBLEMS_MAX: Final = 20
"""Problems reported of one list: a file of another kind has one on every line."""
ANOMALY_LOOK_S: Final = 10.0
"""How often control checks the error rate of the whole fleet."""
STASH_SIZE_BYTES_MAX: Final = 64 * MIB
"""Copies of the files that releases were built from: certificates, error pages, lists. Beyond it
the oldest copies are deleted."""

# --- Judge ---------------------------------------------------------------------------------------

JUDGE_ALPHA: Final = 0.001
"""Chance that a release no worse than the current one is ever called unhealthy, over all gates and
sites of one rollout."""
JUDGE_DOUBT: Final = 0.05
"""Chance that a step is passed although the candidate is worse by the step's whole margin."""
JUDGE_NODES_APART_MAX: Final = 8
"""Up to this many nodes, each is compared with itself. With more, windows are added up, which loses
nothing when all nodes have the same share."""
JUDGE_SUSPICION: Final = 5.0
"""Odds against a candidate from which on no step is passed, although they are far from proof. A
worse release reaches such odds within a few bad requests, a good one rarely does."""
JUDGE_HESITATION: Final = 2.0
"""Odds from `errors` against a candidate from which on golden requests do not decide yet: two
failed requests, and none in the comparison. A few more requests either lower these odds or make
them a suspicion."""
JUDGE_SITES_WEIGHED_MAX: Final = 64
"""Sites whose odds are computed at each look, those with most errors on the candidate first. A
release that harms more sites shows in the totals of the edge."""
JUDGE_SPAN_S: Final = 2.0
"""Length of the spans within which slots are compared: longer than the windows of a trial, and
short enough that what hits every slot at one moment cancels out."""
JUDGE_SPANS_MIN: Final = 3
"""Spans with evidence that are needed before counts alone call a release unhealthy: one burst is no
proof."""
JUDGE_SPANS_FINE_MIN: Final = 6
"""The same for gates of degree, because a scanner is a burst of 4xx on one connection."""
JUDGE_BLOCK_S: Final = 10.0
"""Length of the blocks in which the judge measures how evenly bad events come on stable: an
ordinary window."""
JUDGE_DISPERSION_MAX: Final = 12.0
"""Largest number of bad events that count as one because on stable they come together."""
JUDGE_DISPERSION_FINE_MAX: Final = 30.0
"""The same for gates of degree."""
JUDGE_CLUMP_MAX: Final = 3.0
"""Largest number of failed requests that count as one because they share connections. With a higher
value, a wholly broken release would survive more than ten failed requests at a share of 1 %."""
JUDGE_MISSING_SHARE_MAX: Final = 0.2
"""Share of a candidate's windows in which a count may be unreadable before the judge waits: a
single bad poll is no reason."""
JUDGE_WARMING_S_MAX: Final = 60.0
"""Time for a candidate to become ready for traffic. If it is not ready by then, it waits for
something that never comes."""
JUDGE_MEMORY_GROWTH_BYTES: Final = 128 * MIB
"""How much more heap than its control a candidate may use in a trial: enough for the buffers of a
busy moment."""
JUDGE_MEMORY_RATIO_MAX: Final = 2.0
"""How many times its control's heap a candidate may use, if that is more than the growth above. A
large release needs its memory when it is loaded or when requests come."""
BRAKE_ALPHA: Final = 1e-6
"""Chance that a node by itself stops a release that is no worse. It is tiny because 1,000 nodes
look at once."""
BRAKE_RATIO: Final = 3.0
"""Error rate after a commit, as a multiple of the rate before it, that is not yet harm. The two
were measured minutes apart."""
BRAKE_MARGIN: Final = 0.1
"""Increase in the share of bad requests after a commit that is not yet harm for a node that acts
alone."""
BRAKE_MARGIN_SITE: Final = 0.3
"""The same for a single site, whose origin may fail at any moment."""
ANOMALY_DOWN_COUNT: Final = 3
"""Bad looks, without calm in between, that make an anomaly."""
ANOMALY_OK_COUNT: Final = 6
"""Good looks in a row after which earlier bad ones are forgotten."""
ANOMALY_UP_COUNT: Final = 12
"""Good looks in a row that end an anomaly. Ending it too early would let a release into the next
wave."""
ANOMALY_PAST_LOOKS: Final = 60
"""Looks that make up the recent past: 10 minutes of them at one every 10 s."""
ANOMALY_PAST_LOOKS_MIN: Final = 6
"""Looks needed before anything can be called unusual."""
ANOMALY_RATIO: Final = 3.0
"""Error rate, as a multiple of the rate of the recent past, that is still usual."""
ANOMALY_MARGIN: Final = 0.02
"""Increase in the share of failed requests, compared with the recent past, that is still usual."""
ANOMALY_ALPHA: Final = 1e-4
"""Chance that one look is called bad by accident. Three bad looks are needed."""
ANOMALY_WEIGHT_MAX: Final = 3.0
"""The requests of one node count at most this many times those of the median node, so that none
speaks for the fleet."""
APART_SHARE: Final = 0.1
"""Share of a fleet's nodes, at least one, whose numbers are left out: the worst. Only if the fleet
is unwell even without them are its releases held up."""
FAILING_SHARE: Final = 0.05
"""Share of a site's requests that must fail before `status` reports it. Fewer failures are
normal."""
FAILING_ALPHA: Final = 1e-3
"""Chance that a site with fewer failures is reported as failing. A false report costs only a look,
because nothing is changed."""
FAILING_RATIO: Final = 2.0
"""Error rate, as a multiple of the rate before a release, up to which the release is not suspected.
The two were measured minutes apart."""
TURNED_SHARE: Final = 0.25
"""Increase since a release in the share of requests that bot rules turn away, from which `status`
reports it. It equals the gate's `REHEARSAL_TURNED_SHARE_MAX`, and covers changes for which the gate
had no records."""
FAILING_WINDOWS_PER_S_MAX: Final = 5_000
"""Windows that `status` searches for failing sites, per second for which it then repeats the
result. All windows of a fleet of 1,000 nodes take 0.2 s, so watching costs 3 % of a core."""
FAILING_SITES_TOLD_MAX: Final = 3
"""Failing sites that `status` reports one by one, so that the rest of the screen stays visible."""
FAILING_RECORDS_SIZE_BYTES: Final = 256 * KIB
"""How much of the newest access records is searched for a failed request as an example."""

# --- Fleet ---------------------------------------------------------------------------------------

CA_LIFETIME_S: Final = 10 * 365 * 86_400
"""Lifetime of control's own certificate authority: longer than that of the machines that trust
it."""
NODE_CERTIFICATE_LIFETIME_S: Final = 90 * 86_400
"""Lifetime of the certificates of nodes and of control. They are renewed with a third left, so 30
days without control do no harm."""
CERTIFICATE_BACKDATE_S: Final = 86_400
"""A new certificate is valid from this long ago, so that a node whose clock is slow can use it."""
CERTIFICATE_RENEWAL_CHECK_S: Final = 3_600.0
"""How often a node checks whether its certificate is due for renewal."""
SERVER_CERTIFICATE_CHECK_S: Final = 5.0
"""How often control checks that its own certificate is valid at the current time, which may change
when the clock is set after a boot."""
JOIN_TOKEN_TTL_S: Final = 3_600.0
"""Default lifetime of a join token: long enough to walk to the machine."""
JOIN_TOKEN_TTL_S_MAX: Final = 7 * 86_400.0
"""Longest lifetime of a join token, because it lets a machine into the fleet."""
JOIN_TOKENS_MAX: Final = 2_000
"""Valid join tokens at once: one for each node of the largest fleet."""
NODE_GROUPS_MAX: Final = 8
"""Groups that one node may belong to."""
NODE_NAME_LENGTH_CHARS_MAX: Final = 63
"""Length of a node's name. It is a DNS label, because it appears in certificates, metrics and file
names."""
NODE_NAME_LOOK_S: Final = 2.0
"""How often an agent looks whether its machine has joined again, perhaps under another name."""
NODE_CONNECTIONS_MAX: Final = 3 * 2_000
"""Connections from nodes at once: each node of the largest fleet polls, reports and fetches."""
NODE_CONNECTIONS_EACH_MAX: Final = 32
"""Connections of one node at once: it polls, reports, fetches and answers, and so does a second
machine of the same name."""
NODE_STRANGERS_MAX: Final = 256
"""Additional connections to the nodes' port without a certificate: machines that join, which takes
well under a second. Further ones are closed and succeed when they try again."""
NODE_STRANGER_STAY_S: Final = 5.0
"""Age from which such a connection is closed when its place is needed for a new one."""
NODE_HANDSHAKES_MAX: Final = NODE_CONNECTIONS_MAX
"""TLS handshakes with control under way at once: the largest fleet after a restart. Each takes 80
KiB, together half a gigabyte. Beyond it the oldest handshake is ended, which is most likely that of
an idle stranger."""
NODE_STRANGER_IDLE_S: Final = 1
"""How long a connection without a certificate may stay idle after its answer: joining uses a
connection once."""
NODE_TLS_READ_SIZE_BYTES: Final = 32 * KIB
"""Read buffer of a node's connection. With the 256 KiB that asyncio uses, 2,000 connections would
take half a gigabyte."""
NODE_HANDSHAKE_TIMEOUT_S: Final = 30.0
"""How long a node waits for a TLS handshake with control. After a restart 2,000 of them come within
seconds, and giving one up wastes the work on it."""
BUNDLE_DOWNLOADS_MAX: Final = 32
"""Bundles that control sends at once. Further nodes are told to come back a little later."""
BUNDLE_DOWNLOADS_EACH_MAX: Final = 4
"""How many of these go to one node: it fetches for the serving release and for a trial, and so does
a second machine of the same name."""
BUNDLE_DOWNLOAD_TIMEOUT_S: Final = 60.0
"""Time to send one bundle to one node: 65 MiB at 9 Mbit/s. A slower reader must not occupy a
place."""
BUNDLE_CACHE_SIZE_BYTES_MAX: Final = 70 * MIB
"""Bundles kept in memory for the next nodes. The largest one always fits."""
BUNDLE_FETCH_TIMEOUT_S: Final = 120.0
"""How long a node tries to fetch a bundle, including mirrors and waits, before it reports
failure."""
MIRROR_PATIENCE_S: Final = 3.0
"""Time after which a node asks control as well as the mirrors: a kill switch must be tasted within
15 s."""
MIRROR_REST_S: Final = 60.0
"""How long a slow mirror is not asked again, so that the next release loses no time."""
RETRY_AFTER_S_MAX: Final = 5
"""Longest wait that control asks of a node that it cannot serve at once."""
REPORTS_BURST_MAX: Final = 30
"""Reports of one node in a burst. A release makes about ten."""
REPORTS_PER_S_MAX: Final = 3.0
"""Reports of one node in the long run. In a trial it sends one each second."""
REPORT_BYTES_IN_FLIGHT_MAX: Final = 64 * MIB
"""Size of the reports that control reads at once, which limits its memory when every node has much
to report."""
REPORT_BYTES_IN_FLIGHT_EACH_MAX: Final = NODE_REPORT_SIZE_BYTES_MAX
"""The share of one node in this: the largest report. A node that sends slowly leaves room for the
others."""
REPORT_PARSE_SIZE_BYTES: Final = 128 * KIB
"""A larger report is parsed in a separate thread, so that others are answered meanwhile."""
REPORT_TEXTS_MAX: Final = 64
"""Notices, refusals, listeners or groups in one report; further ones are cut."""
REPORT_QUIET_S_MIN: Final = 3.0
"""Time between two reports of a node without news in a small fleet."""
REPORT_QUIET_NODES_PER_S: Final = 150
"""Reports without news that a whole fleet sends each second; in a larger fleet each node sends them
less often."""
WINDOW_AGE_S_MAX: Final = 1_200.0
"""Age beyond which control rejects a window: twice what a node keeps while control is away."""
CLOCK_SKEW_S_TOLD: Final = 5.0
"""A node whose clock differs by more gets a notice. Its windows are shifted by the difference in
any case."""
CLOCK_SET_S_MIN: Final = 5.0
"""If the clock advances by this much more or less than time does, it was set or the machine slept,
and the deadlines of a rollout move with it. Smaller differences come from a busy machine."""
GENERATION_MAX: Final = 2**48
"""Larger generations are not believed. The limit allows a thousand a second for nine thousand
years."""
RECONNECT_SPREAD_S: Final = 8.0
"""Time over which nodes with a broken connection spread their return, because control has just
restarted."""
RECONNECT_PAUSE_S_MAX: Final = 10.0
"""Longest pause between a node's attempts to reach a control process that is away."""
LEADER_BEAT_S: Final = 1.0
"""How often the leading control process shows that it is alive, and the others check."""
LEADER_SILENT_S: Final = 5.0
"""A leader that has not shown it for this long loses the lead, even if it only hangs."""
FOLLOWER_REFRESH_S: Final = 0.5
"""How often a control process that does not lead reads what the leader has assigned."""
FOLLOWER_BEHIND_S: Final = 10.0
"""One that could not read it for this long sends nodes elsewhere, because its answers would be out
of date."""

# --- Taster --------------------------------------------------------------------------------------

TASTER_TIMEOUT_S: Final = 40.0
"""Time for the whole tasting of a release. A large one takes 2 s, and ten times that on a busy
machine."""
TASTER_START_TIMEOUT_S: Final = 20.0
"""Time from the start of a sacrificial Envoy to its first answer: 0.5 s with 1,000 sites."""
TASTER_ANSWER_TIMEOUT_S: Final = 3.0
"""Time for one answer of a sacrificial Envoy, whose origin answers at once. It is asked twice
before a delay counts."""
TASTER_CPU_S: Final = 30
"""CPU time of one sacrificial Envoy (RLIMIT_CPU). 1,000 sites take 1 s."""
TASTER_ADDRESS_SPACE_BYTES_MAX: Final = 16 * GIB
"""Address space of a sacrificial Envoy (RLIMIT_AS). Its allocator reserves regions of 1 GiB that it
never touches."""
TASTER_MEMORY_BYTES_MAX: Final = 2 * GIB
"""Resident memory of a sacrificial Envoy, watched from outside. 1,000 sites take 0.15 GiB."""
TASTER_MEMORY_GROWTH_MAX: Final = 4.0
"""A release may take this many times the memory of the current one, or as much more as the next
limit allows."""
TASTER_MEMORY_GROWTH_BYTES: Final = 256 * MIB
"""How much more memory than the current release a release may always take, however small the
current one is."""
TASTER_MEMORY_POLL_S: Final = 0.05
"""Time between two looks at that memory: a leak of 10 GiB/s is noticed after 0.5 GiB."""
TASTER_OPEN_FILES_MAX: Final = 1_024
"""Files that a sacrificial Envoy may open: one connection for each host asked over https, and a few
more."""
TASTER_FILE_SIZE_BYTES_MAX: Final = 16 * MIB
"""Largest file that a sacrificial Envoy may write: its bot filter maps a table of windows. Its log
of decisions is far smaller."""
TASTER_OUTPUT_SIZE_BYTES_MAX: Final = 64 * KIB
"""How much of its output is kept, half from each end."""
TASTER_PROBES_MAX: Final = 250
"""Requests sent to a release: first the golden ones, then recent ones, then one for each route."""
TASTER_NARROW_SITES_MAX: Final = 25
"""Sites that a change may touch and still be tasted as a narrow one, mostly with requests to these
sites."""
TASTER_AROUND_MAX: Final = 50
"""Made-up requests to what such a narrow change does not touch. They differ at each release, so
that five releases together ask as much as one that changes everything."""
TASTER_SAMPLES_MAX: Final = 100
"""Recent real requests that are replayed, spread over their routes."""
TASTER_SAMPLE_AGE_S: Final = 3_600.0
"""Age of a replayed request. Older ones say less about today's clients."""
TASTER_SAMPLE_READ_BYTES: Final = 1 * MIB
"""How much of the newest access records is searched for samples: about 1,500 records."""
TASTER_SAMPLES_REUSED_S: Final = 600.0
"""How long one sample is used for several releases, because the answers of the current release are
then known."""
TASTER_ANSWER_SIZE_BYTES_MAX: Final = 256 * KIB
"""How much of one answer is read. A fixed response or error page is smaller."""
TASTER_DIFFERENCES_MAX: Final = 50
"""Differences shown one by one; the others are only counted."""
TASTER_CPU_GROWTH_MAX: Final = 4.0
"""CPU time for a request, as a multiple of what it takes with the current release."""
TASTER_CPU_GROWTH_S: Final = 0.002
"""Increase in CPU time for a request that is always allowed: smaller differences may be noise."""
TASTER_CPU_PER_REQUEST_S: Final = 0.05
"""CPU time for a request when there is no current release to compare with: 50 times that of an
expensive one."""
TASTER_CACHE_SIZE_BYTES_MAX: Final = 4 * MIB
"""Memory for the answers of the current release."""
GATE_LINES_MAX: Final = 60
"""Lines of one stage in a gate report."""
GATE_LINE_LENGTH_CHARS_MAX: Final = 400
"""Length of one line of a gate report."""

# --- Challenge and clearance -------------------------------------------------------------------

CLEARANCE_TEXT_LENGTH_CHARS_MAX: Final = 96
"""Length of a clearance token. The longest that Seawall makes has 93 characters."""
CLEARANCE_LIFETIME_S: Final = 6 * 3_600
"""Default lifetime of a clearance: a visitor meets two challenges in a working day."""
CLEARANCE_LIFETIME_S_MAX: Final = 24 * 3_600
"""Longest lifetime of a clearance: a stolen one is useless the next day."""
CLEARANCE_CLOCK_SKEW_S: Final = 30
"""How far the clock of the node that issued a clearance may be ahead."""
CLEARANCE_LEVEL_MAX: Final = 3
"""Highest level of a clearance: waited (1), worked (2), worked in an ordinary browser (3)."""
CLEARANCE_PROBES_MAX: Final = 4_095
"""Largest value for the results of the browser probes: twelve probes with one bit each."""
CLEARANCE_CACHE_ENTRIES_MAX: Final = 1_024
"""Verified clearances in each of the two tables that an Envoy worker keeps: about 300 bytes
each."""
CHALLENGE_HOST_LENGTH_CHARS_MAX: Final = 255
"""Length of the host name that a challenge is bound to. DNS allows 253."""
CHALLENGE_PREFIX_LENGTH_CHARS_MAX: Final = 64
"""Length of a network as text. The longest IPv6 prefix has 43 characters."""
CHALLENGE_JA4_LENGTH_CHARS_MAX: Final = 64
"""Length of the stable part of a JA4, which has 21 characters."""
CHALLENGE_LIFETIME_S: Final = 120
"""Time for a script to answer a challenge. A slow phone needs seconds."""
CHALLENGE_LIFETIME_NO_SCRIPT_S: Final = 600
"""Time for a person to answer a challenge: reading the page and pressing a button takes a while."""
CHALLENGE_WAIT_S: Final = 2
"""Minimum wait without scripts for level 1: short for a person, costly for a crawler."""
CHALLENGE_WAIT_LONG_S: Final = 5
"""Minimum wait without scripts for level 2."""
CHALLENGE_FALLBACK_S: Final = 8
"""Time after which a page continues without its script if that did nothing. For level 1 scripts
need less."""
CHALLENGE_FALLBACK_LONG_S: Final = 30
"""The same where the script has to work: the slowest phones need ten seconds."""
CHALLENGE_TEXT_LENGTH_CHARS_MAX: Final = 3_072
"""Length of a signed challenge: the longest path in base64, and 200 characters around it."""
CHALLENGE_QUERY_SIZE_BYTES_MAX: Final = 4 * KIB
"""Size of the query that a browser sends to the bot service: a signed challenge and its name.
Parsing 50 KB takes 50 ms, in which nobody else is answered."""
CHALLENGE_PATH_LENGTH_CHARS_MAX: Final = 2_048
"""Length of the path and query that a visitor returns to. Of a longer one the query is dropped
first."""
CHALLENGE_REFERENCE_LENGTH_CHARS_MAX: Final = 64
"""Length of a request id shown to the visitor. A UUID has 36 characters."""
CHALLENGE_ANSWER_SIZE_BYTES_MAX: Final = 8 * KIB
"""Size of a script's answer: the challenge, a puzzle and a key."""
CHALLENGE_FORM_SIZE_BYTES_MAX: Final = 64 * KIB
"""Size of a visitor's form that is kept during a challenge: a long comment fits."""
CHALLENGE_FORM_FIELDS_MAX: Final = 200
"""Fields of a kept form."""
CHALLENGE_SPENT_ENTRIES_MAX: Final = 262_144
"""Used challenges that are remembered until they expire: 400 answers a second for ten minutes,
about 70 MiB."""
CHALLENGE_SPENT_PER_PREFIX_MAX: Final = 4_096
"""How many of these may belong to one network, so that one machine, which can pass some hundred a
second just by waiting, does not keep everybody else from passing. Even behind a carrier's busiest
address, fewer people are challenged in ten minutes."""
CHALLENGE_POOL_ENTRIES_MAX: Final = 256
"""Puzzles computed in advance. They take some seconds to make, and are the burst that can be served
at once."""
CHALLENGE_PUZZLE_MEMORY_KIB: Final = 16 * KIB
"""Memory for one try at a puzzle: more than the caches of a CPU core, little for a phone."""
CHALLENGE_PUZZLE_PASSES: Final = 1
"""Passes of Argon2id over that memory. One is enough, because the cost is memory and not
arithmetic."""
CHALLENGE_PUZZLE_TRIES_MAX: Final = 16
"""Counters that a browser may have to try; 8 on average, about a second on a phone."""
CHALLENGE_PUZZLES_PER_PREFIX_MAX: Final = 60
"""Puzzles given to one network in a window, so that one network cannot empty the pool for all."""
CHALLENGE_PREFIX_WINDOW_S: Final = 60.0
"""Length of that window."""
CHALLENGE_PREFIXES_MAX: Final = 65_536
"""Networks counted in one window; about 10 MiB. Further ones get no puzzle until it ends."""
CHALLENGE_BUSY_RETRY_S: Final = 1
"""Pause after which a browser asks for a puzzle again when there was none."""
CHALLENGE_LOOP_PASSES: Final = 3
"""Challenges that a visitor passed within a minute and met again, from which on something must keep
the clearance from working."""
CHALLENGE_LOOP_S: Final = 60
"""How long a passed challenge counts towards that."""
CHALLENGE_ECHO_LIFETIME_S: Final = 600
"""Lifetime of the cookie that tests whether the browser keeps cookies."""
CHALLENGE_LANGUAGE_HEADER_CHARS_MAX: Final = 256
"""Length of Accept-Language that is read. Browsers send fewer than 100 characters."""
CHALLENGE_LANGUAGES_READ_MAX: Final = 16
"""Languages read from that header."""
CHALLENGE_COOKIE_HEADER_CHARS_MAX: Final = 96 * KIB
"""Length of a Cookie header that is read: the most that `max_header_size` of a site file can
allow."""
CHALLENGE_CONTACT_LENGTH_CHARS_MAX: Final = 512
"""Length of the contact address that a challenge page shows."""
CHALLENGE_PAGE_SIZE_BYTES_MAX: Final = 30 * KIB
"""Size of a challenge page as sent, with style, scripts and solver but without a kept form."""

invariant(
    ACCESS_LOG_FILE_SIZE_BYTES_MAX > ACCESS_RECORD_SIZE_BYTES_MAX, "a file holds several records"
)
invariant(
    ACCESS_RECORD_SIZE_BYTES_MAX
    >= 6
    * (
        (2 * ACCESS_LOG_FIELDS_MAX + 5) * ACCESS_RECORD_VALUE_SIZE_BYTES_MAX
        + ACCESS_RECORD_PATH_SIZE_BYTES_MAX
    )
    + 8 * KIB,
    "the longest record is read: of text that is no UTF-8 each byte stands as `\\u00ff`",
)
invariant(XDS_MESSAGE_SIZE_BYTES_MAX >= BUNDLE_SIZE_BYTES_MAX, "a bundle's resources fit xDS")
invariant(ROUTES_MAX >= ROUTES_PER_SITE_MAX, "one site's routes fit the edge")
invariant(STOP_NOW_TIMEOUT_S < STOP_TIMEOUT_S, "the second Ctrl-C is faster")
invariant(LEAVE_TIMEOUT_S > ENVOY_SWAP_DRAIN_S, "a candidate is withdrawn before its agent ends")
invariant(
    ENVELOPE_SIZE_BYTES_MAX >= BUNDLE_SIZE_BYTES_MAX + RELEASE_RECORD_SIZE_BYTES_MAX + 64 * KIB,
    "an incompressible bundle fits its envelope",
)
invariant(
    RELEASE_RECORD_SIZE_BYTES_MAX >= 12 * RELEASE_MESSAGE_LENGTH_CHARS_MAX + 4 * KIB,
    "a release message fits its record",
)
invariant(HTTP2_CONNECTION_WINDOW_BYTES >= HTTP2_STREAM_WINDOW_BYTES, "a stream's window fits")
invariant(
    API_BODY_SIZE_BYTES_MAX * 2 >= SITE_SOURCES_SIZE_BYTES_MAX * 3,
    "the largest sources can be sent",
)
invariant(API_KEEP_ALIVE_S > ASSIGNMENT_POLL_WAIT_S, "a node keeps its connection over a poll")
invariant(APPLY_SERVE_TIMEOUT_S > COMMIT_TIMEOUT_S, "apply hears of a commit that timed out")
invariant(WORKBENCH_JOB_TIMEOUT_S > 2 * VALIDATE_TIMEOUT_S, "a job may validate twice")
invariant(STEP_SOAK_S < STEP_DEADLINE_S, "a default step can end")
invariant(TRIAL_LEASE_S > 2 * ASSIGNMENT_POLL_WAIT_S, "one lost answer ends no trial")
invariant(SWITCH_TTL_S_MIN < SWITCH_TTL_S < SWITCH_TTL_S_MAX, "a switch lasts and ends")
invariant(LIST_ENTRIES_MAX <= LIST_ENTRIES_ALL_MAX, "one full list fits the edge")
invariant(ROLLOUT_COMMIT_PATIENCE_S > COMMIT_TIMEOUT_S, "a node gives up before control does")
invariant(SWITCH_TASTE_S < SWITCH_DEADLINE_S, "a switch is committed after its taste")
invariant(BUNDLE_CACHE_SIZE_BYTES_MAX >= ENVELOPE_SIZE_BYTES_MAX, "the largest bundle is cached")
invariant(NODE_CONNECTIONS_MAX >= 3 * NODES_MAX, "every node can poll, report and fetch")
invariant(LEADER_SILENT_S > 3 * LEADER_BEAT_S, "one late beat costs no lead")
invariant(STORE_SILENT_TIMEOUT_S > STORE_HANG_TIMEOUT_S, "PostgreSQL ends a statement first")
invariant(LEADER_SILENT_S < STORE_HANG_TIMEOUT_S, "a leader is replaced before it is cut off")
invariant(TASTER_START_TIMEOUT_S < TASTER_TIMEOUT_S, "a slow start is told from a slow tasting")
invariant(TASTER_AROUND_MAX < TASTER_PROBES_MAX, "a narrow change is asked less than a wide one")
invariant(TASTER_ADDRESS_SPACE_BYTES_MAX >= 4 * GIB, "Envoy's allocator can reserve its regions")
invariant(
    API_FEED_BODY_SIZE_BYTES_MAX * 2 >= LIST_SIZE_BYTES_MAX * 3, "the largest list can be pushed"
)

# --- Bots ---------------------------------------------------------------------------------------

BOT_FEATURES_MAX: Final = 64
"""Features of a model. The file that once took a large part of the web down held more than its
reader had room for; Seawall checks this when a model is built, at the gate, and again in Envoy."""
BOT_MODEL_SIZE_BYTES_MAX: Final = 2 * MIB
"""Size of a stored bot model. Usually it has 100 to 300 KiB."""
BOT_TREES_MAX: Final = 256
"""Trees of a bot model. Each takes about 30 ns of a request whose vector was not seen before."""
BOT_TREE_NODES_MAX: Final = 63
"""Inner nodes of one tree: those of a full tree of depth 6."""
BOT_GOLDEN_MIN: Final = 8
"""Fewest golden vectors of a model: fewer prove nothing about its trees."""
BOT_GOLDEN_MAX: Final = 128
"""Golden vectors of a model. Each is scored in every Lua state of every Envoy when the model is
loaded."""
BOT_MODEL_TEXT_LENGTH_CHARS_MAX: Final = 200
"""Length of a name, author or other text in a model."""
BOT_MODEL_METRICS_MAX: Final = 100
"""Training metrics that a model contains."""
CLEARANCE_EPOCH: Final = 1
"""Clearances of another epoch are refused. When a version changes the meaning of clearances, a
higher number asks every visitor for new proof."""
CLEARANCE_KEY_AGE_S: Final = 86_400.0
"""Age at which the signing key is replaced. The previous key stays valid for as long again, which
is at least the lifetime of any clearance."""
CLEARANCE_KEY_POLL_S: Final = 300.0
"""How often control checks the age of the signing key."""
BOT_SERVICE_TIMEOUT_S: Final = 10.0
"""Time for a whole exchange between a visitor's browser and the node's bot service."""
BOT_SERVICE_CONNECT_TIMEOUT_S: Final = 1.0
"""Time to connect to the bot service's Unix socket: it is on the same machine, or not there."""
BOT_SERVICE_REQUESTS_MAX: Final = 128
"""Questions that one Envoy asks the bot service at once. It answers some hundred a second, so that
no answer takes the 3 s after which it counts as down. Further visitors are told to come back."""
BOT_SERVICE_CONNECTIONS_MAX: Final = 192
"""Connections from one Envoy to the bot service for these questions. There are more of them than
questions, because some may be idle at one worker while another needs its own."""
BOT_SERVICE_TURNS_PER_NETWORK_MAX: Final = 16
"""How many of these questions one worker asks for the same network (/24, /48), so that a flood from
it delays nobody else. At 30 ms each they are 500 a second."""
BOT_SERVICE_BROWSER_CONNECTIONS_MAX: Final = 64
"""Connections from one Envoy to the bot service for what challenged browsers ask. They are
separate, so that neither kind delays the other."""
BOT_SERVICE_VISITS_PER_NETWORK_S_MAX: Final = 256
"""Requests of these browsers that a worker of Envoy passes on each second for one network (/24,
/48): a tenth of what the service can answer, and as many as fifty people in one office make when
they are challenged at the same moment."""
BOT_SERVICE_BROWSER_REQUESTS_MAX: Final = 1_024
"""Requests of these browsers that wait for such a connection at once."""
BOT_SERVICE_SERVED_CONNECTIONS_MAX: Final = 832
"""Connections that the bot service accepts: more than the three Envoys of a canary make, and fewer
than the 1,024 files that a process may always open."""
BOT_KEEPER_TICK_S: Final = 0.5
"""How often the agent checks that the bot service runs and has the newest settings, and how often
the service looks for new settings."""
BOT_SERVICE_LOOK_S: Final = 1.0
"""How often the agent asks the bot service for a sign of life."""
BOT_SERVICE_LOOK_TIMEOUT_S: Final = 3.0
"""Time for that sign of life: as long as Envoy waits for a challenge. A flood delays it by less
than a second."""
BOT_SERVICE_SILENT_LOOKS_MAX: Final = 3
"""Questions in a row without a sign of life after which the service counts as hung and is started
again."""
BOT_SETTINGS_SIZE_BYTES_MAX: Final = 16 * MIB
"""Size of what the agent tells the bot service: every site with its hosts and keys."""
BOT_SERVICE_BODY_SIZE_BYTES_MAX: Final = 64 * KIB
"""Size of what a visitor may send to the bot service: an answer, or a form to be kept."""
BOT_MARGIN_MAX: Final = 1_000.0
"""Largest absolute value of a leaf, base or cut of a model: larger log-odds mean nothing."""

# --- fingerprints: JA4 and user agents ---
HELLO_SIZE_BYTES_MAX: Final = 64 * KIB
"""Size of a ClientHello from which the table of fingerprints is built. Envoy accepts 16 KiB, and
post-quantum ones have 2 KiB."""
JA4_TABLE_SIZE_BYTES_MAX: Final = 256 * KIB
"""Size of the file of known fingerprints: about 700 bytes for each client."""
JA4_ENTRIES_MAX: Final = 500
"""Clients in that table. A browser adds about two a year."""
JA4_HELLO_LIST_MAX: Final = 200
"""Ciphers, extensions or algorithms of one client. OpenSSL's full list has 90."""
JA4_ROWS_MAX: Final = 8_000
"""Rows into which the table expands for Envoy: 68 for a client with GREASE. Each worker reads them
once."""
JA4_SCRIPT_SIZE_BYTES_MAX: Final = 512 * KIB
"""Size of these rows as text: 50 bytes each."""

# --- Verified bots -----------------------------------------------------------------------------

VERIFY_CATALOGUE_SIZE_BYTES_MAX: Final = 256 * KIB
"""Size of the file with the catalogue of known bots. The one that Seawall ships has 20 KiB."""
VERIFY_BOTS_MAX: Final = 500
"""Known bots: five times as many as Seawall ships."""
VERIFY_TOKEN_LENGTH_CHARS_MIN: Final = 4
"""Shortest token that identifies a bot in a user agent. A shorter one would also appear in the user
agents of people."""
VERIFY_LIST_URLS_MAX: Final = 4
"""URLs from which one list of ranges is put together."""
VERIFY_USER_AGENT_BYTES_MAX: Final = 512
"""How much of a user agent is searched for a bot's name. The longest of a real bot has 260
bytes."""
VERIFY_LUA_SIZE_BYTES_MAX: Final = 512 * KIB
"""Size of the catalogue and ranges in Envoy's filter: 20,000 networks."""
VERIFY_RANGES_PER_LIST_MAX: Final = 5_000
"""Networks of one published list. The longest known one has 1,600."""
VERIFY_RANGES_BODY_SIZE_BYTES_MAX: Final = 1 * MIB
"""Size of a published list as fetched. 5,000 networks with their JSON keys take 300 KiB."""
VERIFY_RANGES_SHRINK_MAX: Final = 0.5
"""Share of the addresses of a published list that may disappear at once. If more do, the list is
broken."""
VERIFY_RANGES_GROWTH_MAX: Final = 10.0
"""How many times as many addresses a published list may suddenly have. More would let strangers
in."""
VERIFY_RANGES_IPV4_PREFIX_MIN: Final = 8
"""Shortest prefix of an IPv4 network in a published list: one operator has a /8 of its own."""
VERIFY_RANGES_IPV6_PREFIX_MIN: Final = 24
"""Shortest prefix of an IPv6 network in a published list."""
VERIFY_RANGES_STALE_S: Final = 14 * 86_400
"""Age from which a list still verifies bots but no longer exposes impostors, because operators add
addresses every week."""
VERIFY_RANGES_REDATE_S: Final = 4 * 86_400
"""Age from which an unchanged list is released again with its new date."""
VERIFY_FETCH_TIMEOUT_S: Final = 5.0
"""Time for one fetch of keys or ranges, from the DNS query to the last byte: the other side may be
anybody."""
VERIFY_VERDICT_BUCKETS: Final = 4_096
"""Buckets of the verdict table. With `VERIFY_VERDICT_WAYS` verdicts in each it holds 32,768 in 1.3
MiB."""
VERIFY_VERDICT_WAYS: Final = 8
"""Verdicts in one bucket. The chance that a bucket overflows at half load is below 5 %."""
VERIFY_CLAIM_GROUPS: Final = 1_024
"""Groups of the claims board. All claims of one network prefix share a group."""
VERIFY_CLAIM_WAYS: Final = 4
"""Claims that one network prefix can have on the board at once, which limits the effect of a
flood."""
VERIFY_CLAIMS_PER_S_MAX: Final = 500
"""Claims that one worker of Envoy writes each second."""
VERIFY_CLAIM_POLL_S: Final = 0.1
"""How often the board is read: the question about a new bot waits at most this long."""
VERIFY_MAP_REOPEN_S: Final = 30
"""How often Envoy opens the mapped files again, to find one that was recreated."""
VERIFY_VERDICT_TTL_S_MIN: Final = 600
"""How long a verdict is kept at least, even if its TTL in DNS is shorter. This limits the number of
questions."""
VERIFY_VERDICT_TTL_S_MAX: Final = 86_400
"""How long a verdict is kept at most, even if its TTL in DNS is longer."""
VERIFY_UNKNOWN_TTL_S: Final = 120
"""Pause before a claim that DNS could not decide is looked up again."""
VERIFY_VERIFIED_STALE_S: Final = 7 * 86_400
"""How long a bot stays verified after its verdict expired, while DNS gives no definite answer."""
VERIFY_IMPOSTOR_STALE_S: Final = 3_600
"""How long an impostor stays one after its verdict expired, while DNS gives no definite answer."""
VERIFY_DNS_TIMEOUT_S: Final = 3.0
"""Time for one DNS question with its repetitions. Only the next claim waits for it."""
VERIFY_DNS_CONCURRENCY_MAX: Final = 32
"""Claims that are looked up at once."""
VERIFY_DNS_LOOKUPS_PER_S_MAX: Final = 200
"""Claims that are looked up each second, which limits what a flood from many networks costs the
resolvers."""
VERIFY_DNS_QUEUE_MAX: Final = 1_024
"""Claims that wait for a look-up. A further one is dropped and comes again with its client."""
VERIFY_DNS_NAMES_MAX: Final = 8
"""Names of one address that are checked. A crawler has one."""
VERIFY_DNS_ADDRESSES_MAX: Final = 64
"""Addresses of one name that are checked."""
VERIFY_DNS_CACHE_MAX: Final = 8_192
"""DNS answers that are remembered."""
VERIFY_DNS_CACHE_TTL_S_MIN: Final = 60
"""Shortest time for which an answer is remembered."""
VERIFY_DNS_CACHE_TTL_S_MAX: Final = 86_400
"""Longest time for which an answer is remembered."""
VERIFY_DNS_PREFIX_QUESTIONS_MAX: Final = 30
"""Claims of one network prefix (/24, /48) that are looked up within
`VERIFY_DNS_PREFIX_WINDOW_S`."""
VERIFY_DNS_PREFIX_WINDOW_S: Final = 60.0
"""Period for the limit above. All 256 addresses of a crawler's /24 are known within ten minutes."""
VERIFY_DNS_PREFIXES_MAX: Final = 4_096
"""Network prefixes whose questions are counted. Beyond it the oldest is forgotten."""
SIGNATURE_FIELD_SIZE_BYTES_MAX: Final = 4 * KIB
"""Size of Signature, Signature-Input or Signature-Agent. One RSA-4096 signature has 700 bytes."""
SIGNATURE_MEMBERS_MAX: Final = 8
"""Signatures of one request that are read."""
SIGNATURE_COMPONENTS_MAX: Final = 32
"""Components that one signature may cover."""
SIGNATURE_QUERY_PARAMETERS_MAX: Final = 256
"""Parameters of a query when a signature covers single ones, because all must be read for that. A
signature over `@query` as a whole has no such limit."""
SIGNATURE_LIFETIME_S_MAX: Final = 86_400
"""Longest time from `created` to `expires`. The draft allows at most 24 hours."""
SIGNATURE_SKEW_S: Final = 30
"""How far a signer's clock may be off."""
DIRECTORY_SIZE_BYTES_MAX: Final = 64 * KIB
"""Size of a key directory. One with 20 RSA keys has 16 KiB."""
DIRECTORY_KEYS_MAX: Final = 32
"""Keys of one directory. Rotation needs two or three."""
DIRECTORY_TTL_S_MIN: Final = 300.0
"""How long a directory is kept at least, whatever its cache headers say."""
DIRECTORY_TTL_S_MAX: Final = 86_400.0
"""Age at which a directory is fetched again, whatever its cache headers say."""
DIRECTORY_NEGATIVE_TTL_S: Final = 120.0
"""Pause before a directory that could not be fetched is tried again. The draft says 300 s."""
DIRECTORY_RENEWAL_WAIT_S: Final = 0.4
"""How long a signature whose key is known waits for its directory to be fetched again. Envoy waits
for its answer for 1 s, and takes it for unknown then."""
DIRECTORY_STALE_S: Final = 7 * 86_400.0
"""How long expired keys are still used while every fetch fails."""
DIRECTORY_FETCHES_MAX: Final = 8
"""Fetches at once. A further one is not made, and its signature stays unknown."""
DIRECTORY_MISSING_RETRY_S: Final = 30.0
"""How often a directory is fetched again because it lacks a key."""
SIGNATURE_HEADERS_MAX: Final = 40
"""Headers of one question about a signature: those that it covers, and its own three."""
SIGNATURE_QUESTIONS_MAX: Final = 64
"""Questions about signatures that are answered at once. For a further one the answer is unknown."""

invariant(DIRECTORY_NEGATIVE_TTL_S <= 5 * 60, "a failed fetch is tried again within five minutes")
invariant(VERIFY_RANGES_REDATE_S * 2 < VERIFY_RANGES_STALE_S, "a living list never gets stale")
invariant(VERIFY_VERDICT_TTL_S_MIN > VERIFY_UNKNOWN_TTL_S, "doubt is asked about sooner")

# --- bot policy: rules and robots.txt ---
BOT_RULES_MAX: Final = 64
"""Rules of one site. On every request they are tried in order until one decides."""
BOT_EXPRESSION_LENGTH_CHARS_MAX: Final = 1_000
"""Length of a rule's condition. Split a longer one into several rules, each with its own name."""
BOT_EXPRESSION_NODES_MAX: Final = 300
"""Parts of a condition, which limits what it costs a request."""
BOT_EXPRESSION_DEPTH_MAX: Final = 16
"""Nesting of a condition: far less than the parsers of Python and Lua can nest."""
BOT_EXPRESSION_TEXT_LENGTH_CHARS_MAX: Final = 200
"""Length of one quoted text in a condition."""
BOT_EXPRESSION_NUMBER_MAX: Final = 1_000_000_000
"""Largest number in a condition. No count of requests reaches it."""
BOT_POLICY_TEXT_SIZE_BYTES_MAX: Final = 512 * KIB
"""Size of a policy as Envoy gets it. 64 of the longest conditions take at most 5 times their
text."""
PAGE_PROBE_CACHE_S: Final = 3_600
"""How long browsers keep the script of the page probe: an update soon reaches all of them."""
BOT_NOTED_MAX: Final = 4
"""Rules, apart from the deciding one, that a record notes, because records must stay short."""
ROBOTS_TXT_SIZE_BYTES_MAX: Final = RESPONSE_BODY_SIZE_BYTES_MAX
"""Size of a generated robots.txt, which is a fixed response. Crawlers read at least 500 KiB (RFC
9309, 2.5)."""
ROBOTS_WRITTEN_SIZE_BYTES_MAX: Final = 48 * KIB
"""Size of the extra lines and sitemaps of a robots.txt together. The groups of bots need the
rest."""
ROBOTS_LINES_MAX: Final = 200
"""Extra lines of a robots.txt in a site file, and likewise sitemaps."""

# --- learning: training bot models ---
LEARN_RECORDS_MAX: Final = 20_000_000
"""Access records read for one training. A node's whole access log holds about 2 million."""
LEARN_BATCH_RECORDS: Final = 20_000
"""Records sent to the database at once: about 8 MiB of JSON."""
LEARN_SESSIONS_MAX: Final = 1_000_000
"""Lines of a sessions file, each with the truth about one client."""
LEARN_SESSIONS_SIZE_BYTES_MAX: Final = 256 * MIB
"""Size of a whole sessions file."""
LEARN_ROWS_MAX: Final = 600_000
"""Rows of the data set held in memory, the newest first. Training takes 4.5 KB for each, because
every row is there nine times: as itself and as eight strangers."""
LEARN_CLIENT_ROWS_MAX: Final = 200
"""Rows of one client: one busy client must not dominate the model."""
LEARN_CLIENT_FIRST_ROWS: Final = 20
"""How many of a client's first rows are always kept, because that is when the decision about it is
made."""
LEARN_FAMILY_ROWS_MAX: Final = 100_000
"""Rows of one family of clients, before weights."""
LEARN_HONEYPOT_SPAN_S: Final = 3_600
"""How long before and after it stepped into a honeypot a client is labelled as a bot. It is short
because addresses change hands."""
LEARN_CLASS_FAMILIES_MIN: Final = 5
"""Families that a class needs before one of them is held out whole: with fewer, too much would be
lost."""
LEARN_FAMILY_CLIENTS_MIN: Final = 5
"""Clients that a family needs before its later ones are set aside; with fewer, all of them are used
for training."""
LEARN_PART_ROWS_MIN: Final = 50
"""Rows that each class needs in training, tuning and test: fewer show nothing."""
LEARN_TREES_MAX: Final = 100
"""Trees of a model trained here. A request pays for each when its vector is new."""
LEARN_TREE_DEPTH_MAX: Final = 6
"""Depth of a tree. It follows from the 63 nodes that a model file may hold for each."""
LEARN_STOP_ROUNDS: Final = 20
"""Trees without improvement on held-out families after which training stops."""
LEARN_FALSE_POSITIVE_BUDGET: Final = 0.001
"""Share of human requests that may score at or below the operating score."""
LEARN_STRANGERS_SHARE_MAX: Final = 0.01
"""Share of people's requests that a model may catch when they come with a browser that it was never
shown. This is not a budget, because made-up requests prove nothing: it detects a model that takes
everything unknown for a program."""
LEARN_STRANGERS_SCORE_MIN: Final = 2
"""Up to at least this score, people must be spared whatever browser they use, because the default
policy challenges up to it."""
LEARN_AUC_MIN: Final = 0.9
"""Area under the ROC curve below which a first model is useless."""
LEARN_CALIBRATION_ERROR_MAX: Final = 0.1
"""Expected calibration error of a first model: a score must mean what it says."""
LEARN_GOLDEN_WANTED: Final = 64
"""Golden vectors put into a model, spread over its scores."""
LEARN_DRIFT_CLIENT_ROWS_MAX: Final = 20
"""Records of one client that count for drift."""
LEARN_DRIFT_ROWS_MAX: Final = 20_000
"""Rows of each of the two periods, of clients chosen by a hash. This is many times what a feature
with many codes needs, and each row takes database memory for each feature."""
LEARN_DRIFT_WARN: Final = 0.1
"""Population stability index from which on a feature is reported as having moved."""
LEARN_DRIFT_ALARM: Final = 0.25
"""Population stability index from which on the model sees a different population from the one it
learned."""
LEARN_UNKNOWN_WARN: Final = 0.05
"""Share of clients with an unknown JA4 that is reported if it has grown: a new browser version
looks like this."""
LEARN_UNKNOWN_ALARM: Final = 0.2
"""Share of clients with an unknown JA4 from which on the table of fingerprints is out of date."""
LEARN_DATABASE_TIMEOUT_S: Final = 300
"""Time for one statement of a ClickHouse server over HTTP."""
LEARN_ANSWER_SIZE_BYTES_MAX: Final = 512 * MIB
"""Size of one answer of a ClickHouse server. The codes of all rows take 128 MiB, their labels twice
that."""
LEARN_ERROR_LENGTH_CHARS_MAX: Final = 500
"""How much of a database's own message an error quotes."""

# --- bots: what people see of them ---
BOT_SAMPLE_SIZE_BYTES_MAX: Final = 256 * KIB
"""Newest records in which a node counts bots at each poll: about 400 requests, read and parsed in
about 10 ms."""
BOT_SAMPLE_RECORDS_MAX: Final = 4_096
"""Largest believable number of records in such a count: no record with bots in it is shorter than
64 bytes."""
BOT_SAMPLE_RECORDS_MIN: Final = 30
"""Records needed before a share of them is shown: with fewer, a single client would move it by more
than 3 %."""
WHY_BUNDLES_MAX: Final = 5
"""Releases read to find the one that brought a bot model. Each may have several MiB."""
WHY_PARENTS_MAX: Final = 50
"""Earlier releases considered for that."""
BOT_RECORD_LENGTH_CHARS_MAX: Final = 1_000
"""Length of a record's field `bots` that is read back: 64 features, five rules and a bot, each with
a name of at most 63 characters."""

# --- Records of a fleet: what control asks its nodes ---------------------------------------------

RECORD_QUESTIONS_OPEN_MAX: Final = 8
"""Requests that control asks its nodes about at once. People ask by hand, for one request at a
time."""
RECORD_QUESTION_WAIT_S: Final = 6.0
"""Longest wait for the answers of nodes: two report intervals, because a node that polls another
control process hears of a question only with the answer to its report."""
RECORD_CLAIMS_WAIT_S: Final = 0.25
"""How long control waits, after the first record was found, for other nodes that claim the same id.
Then the record is shown."""
RECORD_SEARCH_TIMEOUT_S: Final = 4.0
"""Time for one search on a node: 512 MiB from a cold disk that reads 130 MiB/s. What was not
searched by then is reported as not searched."""
RECORD_QUESTION_HANDED_MAX: Final = 3
"""How often one question is given to the same node. The answer to a poll may go to a broken
connection, and a poll that returns at once must not loop."""
RECORD_QUESTIONS_QUEUED_MAX: Final = 16
"""Questions of up to two control processes that wait on a node, which searches one after the
other."""
RECORD_QUESTIONS_KEPT_MAX: Final = 64
"""Questions that are remembered after their end, to recognise a late answer or a repeated
question."""
RECORD_ANSWER_SIZE_BYTES_MAX: Final = 360 * KIB
"""Size of one answer of a node: the longest record in base64, and what surrounds it."""
RECORD_ANSWER_BYTES_IN_FLIGHT_MAX: Final = 16 * MIB
"""Size of the answers that control reads at once, counted separately from reports: many false
answers delay no report."""
RECORD_ANSWERS_PER_S_MAX: Final = 4.0
"""Answers of one node in the long run, whether they were asked for or not."""
RECORD_ANSWERS_BURST_MAX: Final = 32
"""The same in a burst: four times the questions that may be open together."""
RECORD_ANSWER_TIMEOUT_S: Final = 5.0
"""Time after which a node stops trying to deliver an answer: nobody waits for it any more."""
RECORD_NODES_NAMED_MAX: Final = 10
"""Nodes named in each part of the result; the others are only counted."""

# --- bots: the model as a release ---
PUSHED_FEEDS_MAX: Final = LISTS_MAX + 3
"""Feeds that travel with a release: every list, the bot model, its shadow and the clearance
keys."""
BOT_DRIFT_READ_BYTES: Final = 4 * MIB
"""Newest access records on which the drift of scores is measured: about 6,000 requests."""
BOT_DRIFT_VECTORS_MAX: Final = 2_000
"""Recent vectors that both models score. Each new one takes Python 50 µs with 100 trees."""
BOT_DRIFT_CLIENT_VECTORS_MAX: Final = 20
"""Vectors of one client that count: one busy client is not the traffic."""
BOT_DRIFT_AGE_S: Final = 24 * 3_600.0
"""Older vectors are left out, because they say little about today's clients. A day covers every
hour."""
BOT_DRIFT_VECTORS_MIN: Final = 50
"""Recent vectors needed for a measurement: of fifty, a single client is already 2 %."""
BOT_DRIFT_MOVED_POINTS: Final = 20
"""A score that changes by more than this, a fifth of the scale, means something else to a
policy."""
BOT_DRIFT_MOVED_SHARE_MAX: Final = 0.10
"""Share of recent vectors whose scores may move that far. Two trainings on the same traffic differ
for a few per cent of clients; a tenth is a different opinion about the visitors."""
BOT_DRIFT_MEAN_POINTS_MAX: Final = 8.0
"""Mean absolute difference of scores, which detects a small shift that concerns everybody."""
BOT_DRIFT_CROSSED_SHARE_MAX: Final = 0.05
"""Share of recent vectors that may cross one threshold, in either direction: these clients would be
treated differently."""
BOT_DRIFT_THRESHOLDS: Final = (2, 30)
"""Scores up to which a client counts as automated, and as likely automated, unless a policy sets
others."""
BOT_DRIFT_PSI_MAX: Final = 0.25
"""Population stability index of the scores over ten equal bins. Above a quarter is a major shift by
the rule of thumb of credit scoring (Siddiqi 2006, "Credit Risk Scorecards")."""
BOT_DRIFT_GOLDEN_MOVED_SHARE_MAX: Final = 0.5
"""Share of the current model's golden vectors whose scores may move that far. They are few and
chosen at the edges, so a good training moves many; a model that moves most of them learned
something else."""
REHEARSAL_READ_BYTES: Final = 4 * MIB
"""Newest access records on which bot rules and address lists are tried before a release: some 6,500
requests, in less than a second."""
REHEARSAL_AGE_S: Final = 3_600.0
"""Age of these records. Older ones say less about today's clients."""
REHEARSAL_REQUESTS_MIN: Final = 100
"""Requests that a site needs before a share of its clients is reported."""
REHEARSAL_CLIENTS_MIN: Final = 20
"""Clients that it needs too: of fewer, a single one is too large a part."""
REHEARSAL_TURNED_SHARE_MAX: Final = 0.25
"""Share of a site's clients that a change may newly turn away or challenge without being forced.
Bots are few clients with many requests; a quarter of all clients mostly means a reversed comparison
or your own network."""
REHEARSAL_FEW_CLIENTS_MIN: Final = 8
"""Clients that a quiet site needs before it is reported that bot rules turn nearly all of them
away."""
REHEARSAL_FEW_TURNED_SHARE_MAX: Final = 0.75
"""Share of these few clients that bot rules may turn away without being forced. A reversed
comparison turns all away, but a quiet site may have more scanners than visitors."""
REHEARSAL_SITES_MAX: Final = 100
"""Sites in the report. More change together only when a change concerns all."""
REHEARSAL_RULES_MAX: Final = 10
"""Rules and lists of one site in the report, those that turn away most clients first."""
REHEARSAL_SCORES_MAX: Final = 8
"""Scores that are tried for a request that has no recorded score. Each takes as long as the request
itself, and rules that distinguish more are rare."""
REHEARSAL_NODES_ASKED_MAX: Final = 16
"""Nodes of a fleet that are asked for recent requests. Each sends a part of them, and control tries
the default rules on all in less than a second."""
REHEARSAL_NODES_TOLD_MAX: Final = 10
"""Nodes that the report names for one site, those where most clients are turned away first."""
SAMPLE_SITES_NAMED_MAX: Final = 20
"""Sites named in a question to a node, which is a header. If more change, the node is asked about
all."""
SAMPLE_RECORDS_MAX: Final = 1_000
"""Records in one node's answer, spread evenly over those read: ten times what a share needs."""
SAMPLE_RECORD_SIZE_BYTES_MAX: Final = 4 * KIB
"""Size of one of these records, with only what rules look at. A larger one, which has a very long
path, is left out."""
SAMPLE_SIZE_BYTES_MAX: Final = 1 * MIB
"""Size of all these records unpacked: 1,000 of 400 bytes, and room for long paths."""
SAMPLE_PACKED_SIZE_BYTES_MAX: Final = 256 * KIB
"""Size of the same records packed. 1,000 ordinary ones take 90 KiB."""
SAMPLE_WAIT_S: Final = 4.0
"""How long a release waits for these answers. A node that polls another control process hears of
the question with the answer to its report, within 3 s in a fleet of 450."""
invariant(SAMPLE_RECORDS_MAX >= REHEARSAL_REQUESTS_MIN, "one node may tell enough for a share")
invariant(
    RECORD_ANSWER_SIZE_BYTES_MAX >= SAMPLE_PACKED_SIZE_BYTES_MAX * 4 // 3 + KIB,
    "what a node has seen fits an answer in base64",
)
invariant(
    RECORD_ANSWER_BYTES_IN_FLIGHT_MAX >= REHEARSAL_NODES_ASKED_MAX * RECORD_ANSWER_SIZE_BYTES_MAX,
    "all nodes that are asked may answer at once",
)
BOT_SHADOW_READ_BYTES: Final = 16 * MIB
"""Newest access records of one place on which a shadow model is compared: about 24,000 requests."""
BOT_SHADOW_REQUESTS_MIN: Final = 2_000
"""Requests scored by both models that are needed for a recommendation. If none of 2,000 is decided
differently, at most 0.15 % of all are, with 95 % confidence."""
BOT_SHADOW_CLIENTS_MIN: Final = 100
"""Clients scored by both models that are needed for a recommendation: a few are not the traffic."""
BOT_SHADOW_FAULT_SHARE_MAX: Final = 0.01
"""Share of requests that a shadow may leave without a score and still be recommended."""
BOT_SHADOW_FAMILY_REQUESTS_MIN: Final = 50
"""Requests that a family of clients needs before its mean shift is reported."""
BOT_SHADOW_FAMILY_SHIFT_POINTS: Final = 10.0
"""Mean shift of a family, in either direction, that deserves a look: half of what changes the
meaning of a single score."""
BOT_SHADOW_FAMILIES_SHOWN: Final = 10
"""Families in a comparison, those that moved most."""
DRILL_COLUMNS_TIMEOUT_S: Final = 60.0
"""Time for the embedded ClickHouse of the drill `feature-file` to make four tables and answer three
times."""
DRILL_COLUMNS_SIZE_BYTES_MAX: Final = MIB
"""Size of its answers: a few hundred names."""

# --- Published ranges and counts of bots ---------------------------------------------------------

BOT_COUNTS_LOG_S: Final = 60.0
"""How often the bot service writes its counts to its log, if they have changed."""

# --- Jobs of control: retraining and published ranges ---------------------------------------------

JOB_EVERY_S_MIN: Final = 3_600.0
"""Shortest time between two runs of a job. A training with its release takes minutes, and operators
of bots publish a few times a day at most."""
JOB_EVERY_S_MAX: Final = 30 * 86_400.0
"""Longest time between two runs. Do rarer work by hand."""
JOB_POLL_S: Final = 5.0
"""How often control checks whether a job is due."""
JOB_GRACE_S: Final = 120.0
"""Pause after control starts, or begins to lead, before the first job. A start has more important
work, and a control process that restarts again and again must run none."""
JOB_GAP_S: Final = 300.0
"""Pause after a run before the next one that nobody ordered by hand. It uses the monotonic clock,
so that a changed wall clock causes no storm of jobs."""
JOB_RETRY_S: Final = 900.0
"""Pause after a failed run. It doubles after each further failure, up to the job's own period."""
JOB_SPREAD: Final = 0.1
"""Share of the wait by which the next run is delayed at random: edges that were set up together
then do not ask an operator of bots in the same second."""
JOB_SPREAD_S_MAX: Final = 900.0
"""Longest such delay, so that a nightly job stays in the night."""
JOB_MISSED_PERIODS: Final = 3
"""Periods without a successful run after which a job is reported as stale."""
JOB_TIMEOUT_S: Final = 3_600.0
"""Time for one run, including its releases. A longer one hangs, or has too much to learn from."""
JOB_MEMORY_BYTES_MAX: Final = 4 * GIB
"""Memory of a run's process for data: `LEARN_ROWS_MAX` rows and their eight strangers take 2.7 GB.
When the machine runs short, the kernel ends this process first."""
JOB_NICE: Final = 19
"""Priority of a run (nice): everything else on the machine goes first."""
JOB_END_TIMEOUT_S: Final = 5.0
"""Time for a killed run's process to be gone."""
JOB_LINE_SIZE_BYTES_MAX: Final = 64 * KIB
"""Size of one line that a run reports: a step, or its outcome."""
JOB_WORDS_LENGTH_CHARS_MAX: Final = 2_000
"""Length of a run's outcome that is kept: 21 lists with a sentence each."""
JOB_OUTPUT_SIZE_BYTES_MAX: Final = 8 * KIB
"""How much of the end of standard error is kept of a run that failed."""
JOB_LABEL_RULES_MAX: Final = 64
"""Rules that a site file may name as labels: as many as a site may have."""
JOB_TELL_S: Final = 0.5
"""Shortest time between two progress reports of a run."""
TRAINING_REPORTS_KEPT_MAX: Final = 10
"""Reports of scheduled trainings on disk, 0.5 MiB each with pictures and model. Beyond it the
oldest are deleted."""
