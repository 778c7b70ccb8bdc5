"""An instance of Terraform's module `ec2`, from its first start on: what its user data makes of a clean Debian.

The story is told by a process of its own, which this file is too, in a network that nobody else has. Of AWS, moto is
there, and a metadata service that answers with tokens alone.
"""

import asyncio
import base64
import gzip
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import boto3
import pytest
from aiohttp import web

from scripts.step import ROOT
from support.aws import REGION, moto_server, use_credentials
from support.certificates import Authority
from support.confidential import hand_out_key
from support.container import output
from support.ec2 import MotoFleet
from support.events import moto_events
from support.far_network import PATIENCE, tell
from support.http_server import answering
from support.metadata import Metadata
from support.systemd_machine import SystemdMachine
from support.systemd_service import CREDENTIALS, OFFLINE, PROGRAM
from support.terraform import told
from support.terraform_examples import EXAMPLES, example
from support.waiting import eventually

IMDS = "169.254.169.254"
REPLICA = "xds-bridge-1"


class SecretsClient(Protocol):
    """What this test asks of boto3's client."""

    def create_secret(self, **parameters: object) -> dict[str, str]: ...
    def put_secret_value(self, **parameters: object) -> object: ...


@dataclass
class Secret:
    """What bridge and Envoys prove who they are with, in Secrets Manager."""

    client: SecretsClient
    authority: Authority
    arn: str

    @classmethod
    def make(cls, url: str) -> "Secret":
        client = cast("SecretsClient", boto3.client("secretsmanager", region_name=REGION, endpoint_url=url))
        authority = Authority()
        arn = client.create_secret(Name="tls", SecretString=pem(authority))["ARN"]
        return cls(client, authority, arn)

    def rotate(self) -> None:
        """Have another certificate there."""
        self.client.put_secret_value(SecretId=self.arn, SecretString=pem(self.authority))


def pem(authority: Authority) -> str:
    pair = authority.issue("xds-bridge")
    key = hand_out_key(pair.private_key)
    parts = {"certificate": pair.certificate, "private_key": key, "client_ca": authority.certificate}
    return json.dumps({name: text.decode() for name, text in parts.items()})


async def story(directory: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, moto_server() as moto:
        use_credentials(patch)
        secret = Secret.make(moto)
        MotoFleet(moto).launch({"xds-service": "web:8080", "env": "prod"}, "10.0.0.1")
        with moto_events(moto, f"{REPLICA}-vms"):
            async with metadata(), release() as (url, digest), SystemdMachine(directory) as machine:
                await reach_moto(machine, moto)
                await starts_by_itself(machine, await user_data(url, digest, secret.arn))
                await serves_what_is_tagged(machine)
                await takes_up_a_secret_that_was_rotated(machine, secret)


@asynccontextmanager
async def metadata() -> AsyncIterator[None]:
    """The metadata service where instances have it."""
    await output("ip", "addr", "add", f"{IMDS}/32", "dev", "lo")
    server = await asyncio.start_server(Metadata(zone=f"{REGION}a").serve, IMDS, 80)
    async with server:
        yield


@asynccontextmanager
async def release() -> AsyncIterator[tuple[str, str]]:
    """Where a source distribution is to be had, and its sum."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in PROGRAM:
            tar.add(ROOT / name, f"xds_bridge-0.1.0/{name}")
    content = archive.getvalue()

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content)

    async with answering(answer) as url:
        yield f"{url}/xds_bridge-0.1.0.tar.gz", hashlib.sha256(content).hexdigest()


async def user_data(url: str, digest: str, secret: str) -> str:
    """What the example has the first replica's instances start with."""
    given = EXAMPLES["ec2"] | {"release_url": url, "release_sha256": digest, "tls_secret_arn": secret}
    planned = await told(example(ROOT, "ec2"), **given)
    assert planned.error == ""
    templates = {each["name"]: each for each in planned.resources("aws_launch_template").values()}
    return gzip.decompress(base64.b64decode(cast("str", templates[REPLICA]["user_data"]))).decode()


async def reach_moto(machine: SystemdMachine, moto: str) -> None:
    """Have both services find AWS where it is here; nothing else is different."""
    for service in ("xds-bridge", "xds-bridge-secrets"):
        there = f"[Service]\nEnvironment=AWS_ENDPOINT_URL={moto}\n"
        machine.write(f"/etc/systemd/system/{service}.service.d/moto.conf", there)


async def starts_by_itself(machine: SystemdMachine, script: str) -> None:
    machine.write("/var/lib/cloud/user-data", script)

    ran = await machine.run("bash", "/var/lib/cloud/user-data", environ=OFFLINE)

    assert ran.status == 0, ran.output
    assert await machine.shows("ActiveState") == "active"
    assert (await machine.run("systemctl", "is-enabled", "xds-bridge")).status == 0


async def serves_what_is_tagged(machine: SystemdMachine) -> None:
    async def ready() -> bool:
        return (await machine.run("xds-bridge-health", "--ready")).status == 0

    await eventually(ready, timeout=60, what="the replica is ready")
    assert "10.0.0.1:8080" in await machine.do("xds-bridge", "endpoints", "web")
    assert (await machine.run("xds-bridge", "status")).status == 0


async def takes_up_a_secret_that_was_rotated(machine: SystemdMachine, secret: Secret) -> None:
    assert (await machine.run("systemctl", "is-active", "xds-bridge-secrets.timer")).status == 0
    keys = await machine.do("stat", "--format", "%a %G", f"{CREDENTIALS}/tls.key")
    assert keys.strip() == "640 xds-bridge-credentials"
    before = await machine.do("cat", f"{CREDENTIALS}/tls.crt")
    secret.rotate()

    await machine.do("systemctl", "start", "xds-bridge-secrets")

    assert await machine.do("cat", f"{CREDENTIALS}/tls.crt") != before

    async def taken_up() -> bool:
        return (await machine.journal()).count("tls.loaded") == 2

    await eventually(taken_up, timeout=30, what="the new certificate is used")


@pytest.mark.timeout(PATIENCE)
async def test_an_instance_serves_without_a_hand_on_it(tmp_path: Path, repository: Path) -> None:
    assert await tell(__file__, tmp_path, repository, superuser=True) == ""


if __name__ == "__main__":
    asyncio.run(story(Path(sys.argv[1])))
