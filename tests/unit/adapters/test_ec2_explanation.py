from adapters._aws.instance import Instance, State, Tag
from adapters.ec2.config import Config
from adapters.ec2.explanation import tell, tell_hidden
from adapters.ec2.mapping import Mapper, Sight
from bridge.model import EndpointKey, Scope
from bridge.provenance import Question, Search, Verdict

SCOPE = Scope("self/eu-west-1")
KEY = EndpointKey("10.0.0.1", 8080)


def instance(identity: str, address: str = "10.0.0.1", state: str = "running", **tags: str) -> Instance:
    named = tuple(Tag(key.replace("_", "-"), value) for key, value in tags.items())
    return Instance(identity, State(state), private_ip_address=address, tags=named)


def mapper(**config: object) -> Mapper:
    return Mapper(Config.model_validate({"region": "eu-west-1", **config}), "eu-west-1")


def told(
    about: str | EndpointKey, *known: Instance, hidden: tuple[Instance, ...] = (), **config: object
) -> dict[str, tuple[Verdict, str]]:
    search = Search(Question(service=about) if isinstance(about, str) else Question(key=about))
    made = mapper(**config)
    tell(search, SCOPE, made, [(each, made.mapped(Sight(each))) for each in known])
    tell_hidden(search, SCOPE, made, hidden, frozenset(each.instance_id for each in known))
    return {each.instance: (each.verdict, each.reason) for each in search.statement("").sightings}


def test_what_is_known_is_told_by_service_name_tag_and_address() -> None:
    web = instance("i-1", xds_service="web:8080", Name="web-1")

    for about in ("web", "i-1", "web-1", KEY):
        assert told(about, web) == {"i-1": (Verdict.REPORTED, "")}
    assert told("api", web) == told(EndpointKey("10.0.0.1", 81), web) == {}


def test_raw_tags_and_the_state_are_told() -> None:
    search, web = Search(Question(key=KEY)), instance("i-1", xds_service="web:8080", team="blue")
    tell(search, SCOPE, mapper(), [(web, mapper().mapped(Sight(web)))])

    [seen] = search.statement("").sightings

    assert dict(seen.raw) == {"xds-service": "web:8080", "team": "blue", "(state)": "running", "(zone)": ""}


def test_a_wrong_tag_and_a_state_are_told_with_their_reasons() -> None:
    wrong = instance("i-1", xds_service="web:8080", xds_weight="abc")
    stopped = instance("i-2", xds_service="web:8080", state="stopped")

    found = told("web", wrong, stopped)

    assert found["i-1"][0] is Verdict.SET_ASIDE
    assert "'xds-weight' has the value 'abc'" in found["i-1"][1]
    assert found["i-2"] == (Verdict.LEFT_OUT, "its state is 'stopped', so there is nothing to serve")


def test_what_the_source_does_not_know_is_told_with_why() -> None:
    untagged, other = instance("i-1"), instance("i-2", xds_service="web:8080", env="test")

    found = told(KEY, hidden=(untagged, other), filters={"tag:env": ["prod", "canary"]})

    assert found == {
        "i-1": (Verdict.LEFT_OUT, "it has no tag 'xds-service'"),
        "i-2": (Verdict.LEFT_OUT, "`filters` of the source do not select it: tag:env = prod or canary"),
    }
    assert told(KEY, hidden=(other,))["i-2"] == (Verdict.LEFT_OUT, "it is newer than what was read last")
