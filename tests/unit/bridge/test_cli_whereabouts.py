import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web

from bridge.cli.whereabouts import UnknownError, Whereabouts, find
from support.http_server import answering

DOCUMENT = {"instanceId": "i-0abc", "region": "eu-west-1", "availabilityZone": "eu-west-1b", "accountId": "1"}
TASK = {"TaskARN": "arn:aws:ecs:eu-west-1:123456789012:task/prod/0123abcd", "AvailabilityZone": "eu-west-1a"}


async def of_instance(environ: Mapping[str, str]) -> Whereabouts:
    return await asyncio.to_thread(lambda: find(imds=True, ecs=False, environ=environ))


async def of_task(environ: Mapping[str, str]) -> Whereabouts:
    return await asyncio.to_thread(lambda: find(imds=False, ecs=True, environ=environ))


async def imds(request: web.Request) -> web.Response:
    """Version 2: a token first, which every question brings along."""
    if request.method == "PUT" and request.path == "/latest/api/token":
        return web.Response(text="token-1" if "X-aws-ec2-metadata-token-ttl-seconds" in request.headers else "")
    if request.headers.get("X-aws-ec2-metadata-token") != "token-1":
        return web.Response(status=401)
    known = request.path == "/latest/dynamic/instance-identity/document"
    return web.json_response(DOCUMENT) if known else web.Response(status=404)


def saying(text: str) -> AbstractAsyncContextManager[str]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=text)

    return answering(answer)


async def test_an_instance_is_told_by_its_metadata() -> None:
    async with answering(imds) as url:
        known = await of_instance({"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{url}/"})

    assert known == Whereabouts("i-0abc", "eu-west-1", "eu-west-1b")


async def test_a_task_is_told_by_its_metadata() -> None:
    async with saying(json.dumps(TASK)) as url:
        known = await of_task({"ECS_CONTAINER_METADATA_URI_V4": f"{url}/v4/abc"})

    assert known == Whereabouts("0123abcd", "eu-west-1", "eu-west-1a")


async def test_a_task_on_an_old_platform_has_no_zone() -> None:
    async with saying(json.dumps({"TaskARN": TASK["TaskARN"]})) as url:
        known = await of_task({"ECS_CONTAINER_METADATA_URI_V4": url})

    assert known == Whereabouts("0123abcd", "eu-west-1", "")


def test_nobody_is_asked_unless_it_is_wanted() -> None:
    assert find(imds=False, ecs=False, environ={}) == Whereabouts()


async def test_outside_of_ecs_it_says_so() -> None:
    with pytest.raises(UnknownError, match="no container of ECS"):
        await of_task({})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nothing", "answers no JSON object"),
        ("[]", "answers no JSON object"),
        ("{}", "does not tell TaskARN"),
        ('{"TaskARN": "task-1"}', "a task that is no ARN"),
    ],
)
async def test_an_answer_that_is_something_else_is_refused(text: str, why: str) -> None:
    async with saying(text) as url:
        with pytest.raises(UnknownError, match=why):
            await of_task({"ECS_CONTAINER_METADATA_URI_V4": url})


async def test_a_service_that_refuses_is_named() -> None:
    async def refusing(_request: web.Request) -> web.Response:
        return web.Response(status=403)

    async with answering(refusing) as url:
        with pytest.raises(UnknownError, match=f"cannot ask {url}/latest/api/token: .*403"):
            await of_instance({"AWS_EC2_METADATA_SERVICE_ENDPOINT": url})
