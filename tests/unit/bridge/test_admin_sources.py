"""What the admin server says of the sources."""

from bridge.outage import Failure
from bridge.poll import Calls, Poll
from bridge.supervisor import ReadingStatus
from support.admin_bench import Bench
from support.admin_fakes import (
    DC1,
)


async def test_sources_are_listed_in_their_precedence(bench: Bench) -> None:
    bench.reading.failures = {DC1: (Failure("web", "timeout", since=5.0, attempts=2, missing=("ecs:ListTasks",)),)}
    poll = Poll("self/eu-west-1", (Calls("ecs:ListTasks", 2),), configured=15, interval=40, budget=5)
    bench.reading.readings = (ReadingStatus("api", 4.0, 1.0, None), ReadingStatus("web", None, None, poll))

    sources = (await bench.get("/api/v1/sources"))["sources"]

    assert isinstance(sources, list)
    assert [source["name"] for source in sources] == ["dc1", "local"]
    assert sources[0] == {
        "name": "dc1",
        "type": "consul",
        "required": True,
        "last_success": 1_700_000_000.0,
        "seconds_since_success": 2.5,
        "stale": False,
        "failures": [{"reading": "web", "error": "timeout", "since": 5.0, "attempts": 2, "missing": ["ecs:ListTasks"]}],
        "readings": [
            {"name": "api", "last_success": 4.0, "seconds_since_success": 1.0, "failing_since": None, "poll": None},
            {
                "name": "web",
                "last_success": None,
                "seconds_since_success": None,
                "failing_since": 5.0,
                "poll": {
                    "place": "self/eu-west-1",
                    "calls": {"ecs:ListTasks": 2},
                    "configured_interval": 15,
                    "interval": 40,
                    "budget": 5,
                },
            },
        ],
        "crashes": 1,
        "services": 0,
        "endpoints": {"healthy": 2, "degraded": 0, "unhealthy": 0, "draining": 0, "unknown": 0},
        "set_aside": 0,
        "held": [],
        "restored": 0,
        "leaving": False,
        "paused": None,
    }
