from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.consul.book import Known, Memory
from adapters.consul.client import Reply
from adapters.consul.config import Config
from adapters.consul.explanation import Explainer
from adapters.consul.mapping import Mapper
from adapters.consul.payload import HEALTH, NODES, HealthEntry, Node
from bridge.model import Endpoint, EndpointKey, ServiceName
from bridge.provenance import Question, Statement, Verdict

Json = Mapping[str, object]


def entry(name: str, number: int, node: Json | None = None, checks: Sequence[Json] = (), **more: object) -> HealthEntry:
    described = {
        "Node": {"Node": f"n{number}", "Address": "10.9.9.9", **(node or {})},
        "Service": {"ID": "i", "Service": name, "Address": f"10.0.0.{number}", "Port": 80, **more},
        "Checks": list(checks),
    }
    return HEALTH.validate_python([described])[0]


@dataclass
class Reads:
    """A catalog; what `tags` and `filter` select is said by hand."""

    entries: list[HealthEntry]
    filtered: set[str] = field(default_factory=set)
    """Addresses that the filter leaves out."""
    asked: list[str] = field(default_factory=list)

    async def services(self) -> Reply[Mapping[str, tuple[str, ...]]]:
        tags: dict[str, tuple[str, ...]] = {}
        for each in self.entries:
            tags[each.service.service] = (*tags.get(each.service.service, ()), *each.service.tags)
        return Reply(tags, 1)

    async def instances(self, name: str) -> Reply[tuple[HealthEntry, ...]]:
        found = (await self.everything(name)).value
        return Reply(tuple(each for each in found if each.service.address not in self.filtered), 1)

    async def everything(self, name: str, address: str = "") -> Reply[tuple[HealthEntry, ...]]:
        self.asked.append(name)
        found = [each for each in self.entries if each.service.service == name]
        return Reply(tuple(each for each in found if address in ("", each.service.address, each.node.address)), 1)

    async def nodes(self) -> Reply[tuple[Node, ...]]:
        return Reply(
            NODES.validate_python([{"Node": each.node.node, "Address": each.node.address} for each in self.entries]), 1
        )

    async def on_node(self, node: str) -> frozenset[str]:
        return frozenset(each.service.service for each in self.entries if each.node.node == node)


async def told(reads: Reads, about: str | EndpointKey, memory: Memory | None = None, **config: object) -> Statement:
    question = Question(service=about) if isinstance(about, str) else Question(key=about)
    explainer = Explainer(Mapper(Config.model_validate(config), "dc1"), reads, memory or Memory())
    return await explainer.explain(question)


def verdicts(statement: Statement) -> dict[str, tuple[Verdict, str]]:
    return {each.instance: (each.verdict, each.reason) for each in statement.sightings}


async def test_an_instance_is_told_with_its_metadata_tags_node_and_failing_checks() -> None:
    checks = [{"CheckID": "tcp", "Status": "critical"}, {"CheckID": "http", "Status": "passing"}]
    reads = Reads([entry("web", 1, Meta={"team": "blue"}, Tags=["a", "b"], checks=checks)])

    [seen] = (await told(reads, "web")).sightings

    assert (seen.scope, seen.instance, seen.reported, seen.verdict) == (
        "dc1/web",
        "n1/i",
        "10.0.0.1:80",
        Verdict.REPORTED,
    )
    assert dict(seen.raw) == {"team": "blue", "(tags)": "a, b", "(node)": "n1", "(checks)": "tcp critical"}


async def test_each_rule_that_leaves_something_out_is_named() -> None:
    proxy = entry("web", 4, Kind="connect-proxy", Tags=["blue"])
    reads = Reads(
        [
            entry("web", 1, Tags=["blue"]),
            entry("web", 2),
            entry("web", 3, Tags=["blue"]),
            proxy,
            entry("web", 5, Tags=["blue"], Meta={"xds-weight": "abc"}),
        ],
        filtered={"10.0.0.3"},
    )

    found = verdicts(await told(reads, "web", tags=["blue"], filter="Service.Meta.env != test"))

    assert found["n1/i"] == (Verdict.REPORTED, "")
    assert found["n2/i"] == (Verdict.LEFT_OUT, "it lacks the tag 'blue', which `tags` of the source asks for")
    assert found["n3/i"] == (Verdict.LEFT_OUT, "`filter` of the source does not select it: Service.Meta.env != test")
    assert found["n4/i"] == (Verdict.LEFT_OUT, "it is a connect-proxy: the mesh's own, which is not served")
    assert found["n5/i"][0] is Verdict.SET_ASIDE
    assert "xds-weight" in found["n5/i"][1]


async def test_the_glob_that_leaves_a_service_out_is_named() -> None:
    reads = Reads([entry("internal-db", 1)])

    excluded = verdicts(await told(reads, "internal-db", services={"exclude": ["x", "internal-*"]}))
    not_included = verdicts(await told(reads, "internal-db", services={"include": ["web"]}))

    assert "'internal-*' in `services.exclude`" in excluded["n1/i"][1]
    assert not_included["n1/i"][1] == "no glob in `services.include` of the source (web) matches 'internal-db'"


async def test_a_service_is_found_by_the_name_that_the_bridge_gives_it() -> None:
    reads = Reads([entry("web", 1), entry("api", 2, Meta={"xds-service": "shop"})])
    shop = frozenset([Endpoint("10.0.0.2", 80)])
    memory = Memory(services={"api": Known(targets={ServiceName("shop"): shop})})

    by_template = await told(reads, "web.dc1", service_name="{service}.{datacenter}")
    by_label = await told(reads, "shop", memory)

    assert [each.services for each in by_template.sightings] == [("web.dc1",)]
    assert [each.services for each in by_label.sightings] == [("shop",)]
    assert (await told(reads, "wbe")).nearest == ("web",)


async def test_an_address_is_found_wherever_it_is() -> None:
    reads = Reads([entry("web", 1), entry("api", 2, node={"Address": "10.0.0.1"}, Address=""), entry("db", 3)])

    found = await told(reads, EndpointKey("10.0.0.1", 80))

    assert sorted(each.services for each in found.sightings) == [("api",), ("web",)]
    assert found.looked == "3 of 3 services of datacenter dc1"
    other = await told(reads, EndpointKey("10.0.0.3", 81))
    assert (other.sightings, other.nearest) == ((), ("10.0.0.3:80",))
