from bridge.merge import First, Report, Service, merged, union
from bridge.model import Health, ServiceName, UpstreamProtocol
from support.reports import report

WEB = ServiceName("web")
GRPC, HTTP1 = UpstreamProtocol.GRPC, UpstreamProtocol.HTTP1


def test_a_source_that_is_not_served_has_no_vote_on_the_protocol() -> None:
    reports = [report("vms", "10.0.0.1", protocol=HTTP1), report("ecs", "10.0.0.2", protocol=GRPC)]

    service = merged(WEB, reports, First(30.0), None, 0.0)

    assert (service.protocol, service.disputed) == (HTTP1, frozenset())


def test_the_protocol_goes_with_the_source_that_is_served() -> None:
    def reports(health: Health) -> list[Report]:
        return [report("vms", "10.0.0.1", health, protocol=HTTP1), report("ecs", "10.0.0.2", protocol=GRPC)]

    before = merged(WEB, reports(Health.HEALTHY), First(30.0), None, 0.0)
    after = merged(WEB, reports(Health.UNHEALTHY), First(30.0), before, 1.0)

    assert after.protocol is GRPC


def test_sources_that_disagree_about_one_name_leave_the_last_agreement_and_are_told() -> None:
    before = Service(WEB, protocol=HTTP1)
    reports = [report("vms", "10.0.0.1", protocol=HTTP1), report("ecs", "10.0.0.2", protocol=GRPC)]

    service = merged(WEB, reports, union, before, 0.0)

    assert service.protocol is HTTP1
    assert service.disputed == {HTTP1, GRPC}


def test_what_was_decided_before_is_what_the_policy_is_told() -> None:
    earlier, later = report("vms", "10.0.0.1"), report("ecs", "10.0.0.2")
    first = merged(WEB, [later], First(30.0), None, 0.0)

    second = merged(WEB, [earlier, later], First(30.0), first, 10.0)
    third = merged(WEB, [earlier, later], First(30.0), second, 40.0)

    assert [each.ruling.chosen for each in (first, second, third)] == ["ecs", "ecs", "vms"]
