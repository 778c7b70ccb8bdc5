"""The bridge's key in AWS is replaced, or ends before there is another: nothing is lost, and a new key is enough."""

from pathlib import Path

from support.aws import json_error
from support.aws_traffic import ECS_CALLS, aws_site, aws_traffic
from support.fault_proxy import Response, rewritten
from support.moto_iam import KeyFile, MotoIam, judging

ACTIONS = ["ecs:DescribeClusters", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition",
           "ec2:DescribeInstances"]  # fmt: skip
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ACTIONS, "Resource": "*"}]}


def as_ecs_says(answer: Response) -> Response:
    """moto says it in XML."""
    unknown = json_error(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
    return unknown if b"<Code>InvalidClientTokenId</Code>" in answer.body else answer


async def test_a_key_that_ends_takes_nothing_away_and_the_next_one_is_found(tmp_path: Path) -> None:
    async with aws_site("t1", "v1") as site:
        site.proxy.fault("/", rewritten(as_ecs_says), containing=ECS_CALLS)
        await site.prepare("t2", "v2", "t3", "v3")
        iam, keys = MotoIam(site.moto), KeyFile(tmp_path / "credentials")
        iam.allow(POLICY)
        keys.write(iam.credentials)
        async with aws_traffic(site, tmp_path, environment=keys.environment) as web:
            iam.renew()
            keys.write(iam.credentials)
            with judging():  # the first key is known no more
                site.start("t2", "v2")
                await web.until_serving("t1", "t2", "v1", "v2")
            assert web.bridge.events("source.failed") == []

            iam.revoke()
            async with web.undisturbed():
                with judging():
                    await web.until_failing("tasks", "vms")
                    assert "are the credentials right and active?" in await web.said("tasks")
                    assert "are the credentials right and active?" in await web.said("vms")

            iam.renew()
            keys.write(iam.credentials)
            with judging():
                site.start("t3", "v3")
                await web.until_serving("t1", "t2", "t3", "v1", "v2", "v3")
                await web.until_failing()
            assert await web.answering(60) == {"t1", "t2", "t3", "v1", "v2", "v3"}
