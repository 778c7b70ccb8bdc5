from prometheus_client import CollectorRegistry

from bridge.metrics import Metrics, Sample
from bridge.peers import PeerState, PeerStatus


def test_peers_are_up_when_they_answer_and_differ_when_that_lasts() -> None:
    metrics = Metrics(CollectorRegistry())
    peers = [PeerStatus(f"http://{state}", state, 0.0) for state in PeerState]

    lines = metrics.render(Sample((), {}, (), (), ready=True, peers=peers)).decode().splitlines()

    found = {line for line in lines if line.startswith("xds_bridge_peer_")}
    up = {"same": 1, "settling": 1, "differs": 1, "waiting": 1, "unknown": 0, "unreachable": 0}
    assert found == {
        *(f'xds_bridge_peer_up{{peer="http://{state}"}} {value}.0' for state, value in up.items()),
        *(f'xds_bridge_peer_differs{{peer="http://{state}"}} {float(state == "differs")}' for state in up),
    }
