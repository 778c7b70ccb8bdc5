"""The other replicas: whether they serve what this one serves. They only ever read each other; nothing is shared."""

from bridge.peers.client import VERSIONS
from bridge.peers.comparison import Difference, Versions, alias, fingerprints, type_versions, versions
from bridge.peers.peer import PeerState, PeerStatus
from bridge.peers.watch import Peers

__all__ = [
    "VERSIONS",
    "Difference",
    "PeerState",
    "PeerStatus",
    "Peers",
    "Versions",
    "alias",
    "fingerprints",
    "type_versions",
    "versions",
]
