"""IAM in moto, which refuses what no policy allows: by actions, and roles by their trust policies; no conditions."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

import boto3
import pytest
from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin

from support.aws import REGION, assumed
from support.confidential import hand_out
from support.ecs import ACCOUNT
from support.iam import Document, statements

USER = f"arn:aws:iam::{ACCOUNT}:user/bridge"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"


class IamClient(Protocol):
    """What tests ask of boto3's client."""

    def create_user(self, **parameters: object) -> object: ...
    def create_access_key(self, **parameters: object) -> Mapping[str, Mapping[str, str]]: ...
    def delete_access_key(self, **parameters: object) -> object: ...
    def put_user_policy(self, **parameters: object) -> object: ...
    def create_role(self, **parameters: object) -> object: ...
    def put_role_policy(self, **parameters: object) -> object: ...


class MotoIam:
    """A user and a role, whose policies count within `judging`."""

    def __init__(self, url: str) -> None:
        self._client = cast("IamClient", boto3.client("iam", region_name=REGION, endpoint_url=url))
        self._client.create_user(UserName="bridge")
        self.credentials: Mapping[str, str] = {}
        """The user's key; empty while it has none."""
        self.renew()

    def renew(self) -> None:
        """Give the user a new key, in place of the last one."""
        self.revoke()
        key = self._client.create_access_key(UserName="bridge")["AccessKey"]
        secret = hand_out(key["SecretAccessKey"])
        self.credentials = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": secret}

    def revoke(self) -> None:
        """End the user's key, if it has one."""
        if self.credentials:
            self._client.delete_access_key(UserName="bridge", AccessKeyId=self.credentials["AWS_ACCESS_KEY_ID"])
        self.credentials = {}

    def call(self, url: str, service: str, operation: str, **parameters: object) -> None:
        """Call as the user."""
        key, secret = self.credentials.values()
        keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
        getattr(boto3.client(service, region_name=REGION, endpoint_url=url, **keys), operation)(**parameters)

    def allow(self, policy: Document) -> None:
        """Give the user this policy, in place of the last one."""
        self._client.put_user_policy(UserName="bridge", PolicyName="bridge", PolicyDocument=_for_moto(policy))

    def create_role(self, policy: Document, trust: Document) -> None:
        """Create the role `ROLE`."""
        name = ROLE.rpartition("/")[2]
        self._client.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        self._client.put_role_policy(RoleName=name, PolicyName="bridge", PolicyDocument=_for_moto(policy))


class MotoRole:
    """A role, whose policy counts within `judging`; made, and taken, outside of it."""

    def __init__(self, url: str, name: str, policy: Document, trust: Document) -> None:
        self.url = url
        client = cast("IamClient", boto3.client("iam", region_name=REGION, endpoint_url=url))
        client.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        client.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=_for_moto(policy))
        self._keys = assumed(url, f"arn:aws:iam::{ACCOUNT}:role/{name}")
        hand_out(self._keys["aws_secret_access_key"])

    def client(self, service: str) -> object:
        """What makes calls as whoever has the role."""
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, **self._keys)

    def credentials(self) -> Mapping[str, str]:
        """As the agent of ECS gives them to a task."""
        key, secret, token = self._keys.values()
        return {"AccessKeyId": key, "SecretAccessKey": secret, "Token": token, "Expiration": "2126-01-01T00:00:00Z"}


class KeyFile:
    """The credentials file, in which the SDK finds the key of a process with these variables, and nowhere else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")
        self.environment = {**nothing, "AWS_SHARED_CREDENTIALS_FILE": str(path)}

    def write(self, credentials: Mapping[str, str]) -> None:
        """Have a key in the file."""
        lines = [f"{name.lower()} = {value}" for name, value in credentials.items()]
        fresh = self._path.with_suffix(".new")
        fresh.write_text("\n".join(["[default]", *lines]))
        fresh.replace(self._path)


@contextmanager
def judging() -> Iterator[None]:
    """Have moto refuse what no policy allows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
        patch.setattr(ActionAuthenticatorMixin, "request_count", 0)
        yield


def _for_moto(policy: Document) -> str:
    """The policy with resources as moto has them: for all calls but those for roles it knows none."""
    found = [each if "sts:AssumeRole" in str(each["Action"]) else {**each, "Resource": "*"}
             for each in statements(policy)]  # fmt: skip
    return json.dumps({**policy, "Statement": found})
