"""The rules of xDS v3 that a server must keep, numbered: what the conformance suite proves, and over which transports.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol. The rows with letters are the scenarios of the public
xds-test-harness. A scenario says by `@pytest.mark.item(…)` which rules it proves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

COLUMNS = ("sotw-ads", "sotw-separate", "delta-ads", "delta-separate")

ALL = frozenset(COLUMNS)
SOTW = frozenset(each for each in COLUMNS if each.startswith("sotw"))
DELTA = ALL - SOTW
ADS = frozenset(each for each in COLUMNS if each.endswith("ads"))
SEPARATE = ALL - ADS
NONE = frozenset[str]()


@dataclass(frozen=True)
class Rule:
    """One row of the table."""

    title: str
    over: frozenset[str] = ALL
    """Transports over which a client can observe it."""
    by: tuple[str, ...] = ()
    """Tests of pure objects that show what no client can observe."""


_XDS = "tests/unit/xds/test_"
_STREAM = "tests/unit/xds/stream/test_"
_BRIDGE = "tests/unit/bridge/test_"
_FETCHING = "tests/conformance/xds/test_fetching.py::test_"

RULES: Mapping[int | str, Rule] = {
    # A. Transport and the life of a stream
    1: Rule("six streams are served: aggregated, clusters, endpoints"),
    2: Rule("any other method is UNIMPLEMENTED"),
    3: Rule(
        "the unary calls answer once, from the same view",
        NONE,
        (
            f"{_FETCHING}a_fetch_and_the_first_answer_of_a_stream_hold_the_same",
            f"{_FETCHING}the_version_of_an_answer_proves_that_nothing_changed",
            f"{_FETCHING}other_fetches_are_unimplemented",
        ),
    ),
    4: Rule("the first node of a stream stays; later requests need none"),
    5: Rule("a client without a node is served"),
    6: Rule("an aggregated request must name its type", ADS),
    7: Rule("a separate stream implies its type", SEPARATE),
    8: Rule("a separate stream refuses other types", SEPARATE),
    9: Rule("a type that is not served does no harm", ADS),
    10: Rule("undecodable bytes end their own stream alone"),
    11: Rule("half-close ends with OK; who hangs up leaves nothing"),
    12: Rule("streams of one node know nothing of each other"),
    13: Rule("many endpoint streams of one client", SEPARATE),
    14: Rule("a stopping server ends its streams in order"),
    15: Rule("a client whose stream was ended is served by a successor"),
    16: Rule("a stream with a dead writer is ended"),
    # B. Requests, both variants
    17: Rule("nonces are never empty and never repeat, across types"),
    18: Rule("a nonce never issued here is no answer"),
    19: Rule("names are honoured even with a stale nonce"),
    20: Rule("a request that changes nothing gets no response"),
    21: Rule("error_detail alone tells NACK from ACK"),
    22: Rule("a late NACK is for the content that it names"),
    23: Rule("requests are applied one by one, in order"),
    24: Rule("empty names are no names"),
    25: Rule("a name that does not exist is sent when it appears"),
    26: Rule("nothing is sent that was not asked for"),
    27: Rule("resource locators: plain names only"),
    28: Rule("glob names are literal"),
    # C. State of the World, all types
    29: Rule("the first request is answered, even with nothing", SOTW),
    30: Rule("the version changes with the content of the type, only", SOTW),
    31: Rule("the order of names means nothing", SOTW),
    32: Rule("an added name is sent, changed or not", SOTW),
    33: Rule("a dropped name is forgotten", SOTW),
    34: Rule("no names after names are nothing", SOTW),
    35: Rule("the star, alone and with names", SOTW),
    36: Rule("acknowledgements may be skipped", SOTW),
    37: Rule("the same version with other resources", SOTW),
    38: Rule("no name twice in a response", SOTW),
    # D. State of the World, clusters
    39: Rule("no names at first are everything", SOTW),
    40: Rule("any change brings all, in one response", SOTW),
    41: Rule("deletion, and deletion of the last", SOTW),
    42: Rule("named clusters come whole; others change in silence", SOTW),
    43: Rule("an equal version saves the first answer", SOTW),
    44: Rule(
        "no partial view", NONE, by=(_BRIDGE + "readiness.py::test_nothing_is_ready_before_every_source_has_spoken",)
    ),
    # E. State of the World, endpoints
    45: Rule("only what changed is sent", SOTW),
    46: Rule("a vanished assignment is sent empty", SOTW),
    47: Rule("every subscribed name is answered, a part as well as all", SOTW),
    48: Rule("no response without resources", SOTW),
    49: Rule("the first request is answered whatever its version", SOTW),
    50: Rule("no names at first are nothing"),
    # F. Delta, all types
    51: Rule("a subscribed name is sent, again and unchanged", DELTA),
    52: Rule("a missing name is told once, and again when asked", DELTA),
    53: Rule("unsubscribing is met with silence", DELTA),
    54: Rule("unsubscribing under a wildcard is answered", DELTA),
    55: Rule("nothing subscribed at first is everything, and stays it", DELTA),
    56: Rule("the star, on, off and on again", DELTA),
    57: Rule("names and wildcard combine", DELTA),
    58: Rule("one request may say everything at once", DELTA),
    59: Rule("the first wildcard request is answered, even with nothing", DELTA),
    60: Rule("only what changed, each with name and version", DELTA),
    61: Rule("what is deleted is named", DELTA),
    62: Rule("what comes back is sent", DELTA),
    63: Rule("system_version_info is the version of the type", DELTA),
    64: Rule("subscriptions are honoured even with a stale nonce", DELTA),
    65: Rule("initial_resource_versions: at first, and only then", DELTA),
    66: Rule("no name twice in a response", DELTA),
    67: Rule("no empty nonce", DELTA),
    # G. Delta, clusters and endpoints
    68: Rule("clusters after a reconnect: the difference", DELTA),
    69: Rule("assignments after a reconnect: all", DELTA),
    70: Rule("a service without endpoints is not removed", DELTA),
    71: Rule("a removed cluster needs no removal of its assignment", DELTA),
    # H. Order and warming
    72: Rule("clusters go before assignments", ADS),
    73: Rule("a changed cluster is followed by its assignment", ADS),
    74: Rule("a second cluster on the same assignment", ADS),
    75: Rule("assignments do not wait for the ACK of clusters", ADS),
    76: Rule("an assignment before the cluster does not count", ADS),
    77: Rule("changed twice or removed while warming", ADS),
    78: Rule("types do not delay each other", ADS),
    79: Rule("what was dropped meanwhile is not sent"),
    80: Rule("a further stream for a changed cluster is answered", SEPARATE),
    # I. NACK
    81: Rule("a NACK is reported and shown, shortened"),
    82: Rule("rejected content is not repeated until it changes"),
    83: Rule("rejected content does not count as held"),
    84: Rule("the good beside the bad gets through"),
    85: Rule("a NACK may change the names"),
    86: Rule("one attempt for each content"),
    # J. Start, reconnect, replicas
    87: Rule("silence before the first snapshot"),
    88: Rule(
        "a source that has not spoken is unknown, not empty",
        NONE,
        by=(
            _BRIDGE + "readiness.py::test_a_required_source_is_waited_for_beyond_the_grace_and_named",
            _BRIDGE + "readiness.py::test_an_optional_source_is_waited_for_through_the_grace_and_then_named",
        ),
    ),
    89: Rule(
        "a failing source takes nothing away", NONE, by=("tests/property/test_registry.py::TestRegistry::runTest",)
    ),
    90: Rule("replicas agree on versions"),
    91: Rule("a new stream starts anew"),
    92: Rule(
        "a storm of reconnects shares its answers",
        NONE,
        by=(
            _XDS + "cache.py::test_equal_responses_are_one_object",
            _XDS + "cache.py::test_shared_responses_are_bounded",
            _STREAM + "stream.py::test_streams_in_the_same_state_get_the_same_bytes",
            _XDS + "session.py::test_a_client_that_does_not_read_is_given_up",
        ),
    ),
    93: Rule("a client that changes the replica gets no cluster again"),
    # K. What is sent
    94: Rule("version, resources, type, nonce and the name of the server"),
    95: Rule("an unanswered response does not block for ever"),
    96: Rule(
        "an endpoint that Envoy would reject cannot be built",
        NONE,
        by=(
            _BRIDGE + "model.py::test_what_envoy_would_refuse_is_no_address",
            _BRIDGE + "model.py::test_a_port_outside_its_range_makes_no_endpoint",
            _BRIDGE + "model.py::test_a_weight_outside_its_range_makes_no_endpoint",
        ),
    ),
    97: Rule("no TTL, no wrapper, no aliases"),
    98: Rule("requests beyond gRPC's 4 MiB"),
    # The public harness
    "D1": Rule("subscribe to one, then to a second", DELTA),
    "D2": Rule("of three, the updated one comes", DELTA),
    "D3": Rule("an existing and a missing one, created later", DELTA),
    "D4": Rule("removal and return", DELTA),
    "D5": Rule("unsubscribe one by one, then silence", DELTA),
    "D6": Rule("two types on one stream, both updated", DELTA & ADS),
    "S1": Rule("wildcard: all in a single response", SOTW),
    "S2": Rule("wildcard, one updated: all again", SOTW),
    "S3": Rule("wildcard, one added: all", SOTW),
    "S4": Rule("a subset asked for is what comes"),
    "S5": Rule("a subset, one changes: the whole subset", SOTW),
    "S6": Rule("a subset, one changes: that one", SOTW),
    "S7": Rule("a missing one created: the whole subset", SOTW),
    "S8": Rule("a missing one created: that one", SOTW),
    "S9": Rule("two types on one stream", SOTW & ADS),
    "U1": Rule("fewer names, the rest updated: it arrives", SOTW),
    "U2": Rule("fewer names, the rest updated: nothing else", SOTW),
    "U3": Rule("no names any more: silence", SOTW),
}
