"""Writes the secrets that secrets.json names, ARN by path below /etc/xds-bridge, where the bridge reads them.

A file is replaced in one go, and only by another content: the bridge sees it, and takes it up without a restart.
"""

import grp
import json
import os
from pathlib import Path

import boto3

FOLDER = Path("/etc/xds-bridge")
GROUP = grp.getgrnam("xds-bridge-credentials").gr_gid


def secret(arn: str) -> str:
    """Of Secrets Manager, with key, stage and version behind the ARN as ECS has them, or of Systems Manager."""
    parts = arn.split(":")
    client = boto3.client(parts[2], region_name=parts[3])
    if parts[2] == "ssm":
        (parameter,) = client.get_parameters(Names=[arn], WithDecryption=True)["Parameters"]
        return str(parameter["Value"])
    key, stage, version = [*parts[7:], "", "", ""][:3]
    which = {name: text for name, text in (("VersionStage", stage), ("VersionId", version)) if text}
    value: str = client.get_secret_value(SecretId=":".join(parts[:7]), **which)["SecretString"]
    return str(json.loads(value)[key]) if key else value


def main() -> None:
    """Write what is not there yet, or was rotated."""
    for name, arn in json.loads((Path(__file__).parent / "secrets.json").read_text()).items():
        text, file = secret(arn), FOLDER / name
        if file.exists() and file.read_text() == text:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.new")
        new.touch(mode=0o600)
        os.chown(new, 0, GROUP)
        new.chmod(0o640)
        new.write_text(text)
        new.replace(file)


if __name__ == "__main__":
    main()
