from bridge.model import Endpoint, EndpointKey, InstanceId, Scope, SetAside
from bridge.provenance import LISTED, MAX_RAW, Question, Search, Sighting, Verdict, bounded, seen
from bridge.redaction import REDACTED

SCOPE = Scope("dc1/web")
KEY = EndpointKey("10.0.0.1", 80)


def sighting(instance: str, verdict: Verdict = Verdict.REPORTED) -> Sighting:
    return Sighting(SCOPE, InstanceId(instance), ("web",), "10.0.0.1:80", verdict)


def test_a_service_is_found_by_any_of_its_names_and_others_are_remembered_as_near() -> None:
    search = Search(Question(service="web"))

    found = [search.wants(names, ()) for names in (("api", "web"), ("webs",), ("db",))]

    assert found == [True, False, False]
    assert search.statement("all").nearest == ("webs",)


def test_an_address_is_found_by_its_port_and_without_one_but_not_by_another() -> None:
    search = Search(Question(key=KEY))

    found = [search.wants((), ("10.0.0.1",), port) for port in (80, None, 81)]

    assert found == [True, True, False]
    assert not search.wants((), ("10.0.0.2",), 80)
    assert search.statement("all").nearest == ("10.0.0.1:81",)


def test_what_is_a_mistake_comes_first() -> None:
    search = Search(Question(service="web"))
    for verdict in (Verdict.REPORTED, Verdict.LEFT_OUT, Verdict.SET_ASIDE):
        search.add(sighting(verdict.value, verdict))

    order = [each.verdict for each in search.statement("all").sightings]

    assert order == [Verdict.SET_ASIDE, Verdict.LEFT_OUT, Verdict.REPORTED]


def test_many_are_counted_and_do_not_hide_what_is_left_out() -> None:
    search = Search(Question(service="web"))
    for number in range(LISTED + 5):
        search.add(sighting(f"i{number}"))
    search.add(sighting("hidden", Verdict.LEFT_OUT))

    told = search.statement("all")

    assert (len(told.sightings), told.more) == (LISTED + 1, 5)
    assert told.sightings[0].instance == "hidden"


def test_what_labels_call_a_secret_is_not_told() -> None:
    labels = {
        "(tags)": "v1, password=s3cret, token:s3cret,blue",
        "DB_PASSWORD": "s3cret",
        "api-key": "s3cret",
        "url": "http://anna:s3cret@db/x",
        "team": "blue",
    }

    assert bounded(labels.items()) == (
        ("(tags)", f"v1, password={REDACTED}, token:{REDACTED},blue"),
        ("DB_PASSWORD", REDACTED),
        ("api-key", REDACTED),
        ("team", "blue"),
        ("url", f"http://{REDACTED}@db/x"),
    )


def test_raw_labels_are_sorted_cut_and_never_more_than_two_kibibytes() -> None:
    told = bounded([("b", "x" * 5000), ("a", "short"), *((f"k{n:03}", "ü" * 150) for n in range(50))])

    assert told[:2] == (("a", "short"), ("b", "x" * 200 + "…"))
    assert sum(len((key + value).encode()) for key, value in told[:-1]) <= MAX_RAW
    assert told[-1] == ("…", f"and {52 - (len(told) - 1)} more")


def test_an_entry_is_seen_as_what_it_was_handed_over_as() -> None:
    aside = SetAside(InstanceId("i"), "db.internal:80", "no IP address")

    assert seen(Endpoint("10.0.0.1", 80), SCOPE, "web", ()).verdict is Verdict.REPORTED
    told = seen(aside, SCOPE, "web", (("team", "blue"),))
    assert (told.verdict, told.reason, told.raw) == (Verdict.SET_ASIDE, "no IP address", (("team", "blue"),))
