"""What it costs to publish one endpoint of a source of which much is held: on the event loop, each time.

The baseline is the same change in the same source while it reports everything and nothing of it is held.

    PYTHONPATH=tests python tests/benchmark/bench_guard.py [--services 1000] [--endpoints 10] [--rounds 30]
"""

import argparse
import statistics
import sys
import time

from benchmark.budget import Budget, judged
from bridge.guard import GuardRules
from bridge.merge import union
from bridge.model import Endpoint, Entry, InstanceId, Scope, ServiceName, SourceName
from bridge.registry import Options, Registry

SOURCE, LAST = SourceName("dc1"), ServiceName("last")

MOST = 0.01
"""Seconds of processor time for a publication, at most: what may run on the event loop in one go."""


def main(services: int, endpoints: int, rounds: int) -> int:
    """Measure and print; 1 if the budget is exceeded."""
    world = Registry([SOURCE], lambda _: union, time.time, Options(guard=GuardRules()))
    names = [ServiceName(f"s{number}") for number in range(services)]
    for number, name in enumerate(names):
        world.sink(SOURCE).update(Scope(name), name, hosts(number, endpoints))
    world.drain()
    plain = statistics.median(published(world, rounds))
    begin = time.process_time()
    for name in names:
        world.sink(SOURCE).doubt(Scope(name), "lost", lost=True)
        world.sink(SOURCE).remove(Scope(name), name)
    world.drain()
    lost = time.process_time() - begin
    held = statistics.median(published(world, rounds))
    assert world.statistics(SOURCE).held == services * endpoints
    print(f"{services} services with {endpoints} endpoints each; median of {rounds} publications of one endpoint, CPU")
    print(f"nothing is held {plain * 1e3:.2f} ms, all is held {held * 1e3:.2f} ms ({held / plain:.1f}×)")
    print(f"to lose all of it at once takes {lost * 1e3:.0f} ms, {lost / services * 1e6:.0f} µs a service")
    return judged([Budget("a publication while all is held", 1000 * held, 1000 * MOST, "ms")])


def published(world: Registry, rounds: int) -> list[float]:
    """Seconds of processor time that each of some changes of one endpoint takes."""
    costs = []
    for number in range(rounds):
        begin = time.process_time()
        world.sink(SOURCE).update(Scope(LAST), LAST, frozenset({Endpoint("10.255.0.1", 80, weight=number % 2 + 1)}))
        world.drain()
        costs.append(time.process_time() - begin)
    return costs


def hosts(number: int, count: int) -> frozenset[Entry]:
    """Endpoints that nothing else has."""
    addresses = (f"10.{number >> 8}.{number & 255}.{host + 1}" for host in range(count))
    return frozenset(Endpoint(address, 80, instance=InstanceId(address)) for address in addresses)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("--services", 1000), ("--endpoints", 10), ("--rounds", 30)):
        parser.add_argument(option, type=int, default=default)
    arguments = parser.parse_args()
    sys.exit(main(arguments.services, arguments.endpoints, arguments.rounds))
