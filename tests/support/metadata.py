"""The metadata service of an instance (IMDS), of which the SDK has region and credentials."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from support.confidential import hand_out

ROLE = "latest/meta-data/iam/security-credentials/"
KEYS = {
    "Code": "Success",
    "AccessKeyId": "ASIAINSTANCE",
    "SecretAccessKey": hand_out("secret-of-the-instance"),
    "Token": hand_out("session-of-the-instance"),
    "Expiration": "2126-01-01T00:00:00Z",
}


@dataclass
class Metadata:
    """The metadata service of an instance in this zone."""

    zone: str = "us-west-2-lax-1a"
    """A Local Zone, unless another is named."""
    tokens: bool = True
    hanging: bool = False
    """Whether nothing is answered."""
    asked: list[tuple[str, str, bool]] = field(default_factory=list)
    """Method, path, and whether a token came along."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path = head.split(" ")[:2]
        self.asked.append((method, path.lstrip("/"), "x-aws-ec2-metadata-token:" in head.lower()))
        if self.hanging:
            await reader.read()  # until the client has had enough
        else:
            status, body = self._answer(method, path.lstrip("/"))
            writer.write(
                f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
            )
        writer.close()
        await writer.wait_closed()

    def _answer(self, method: str, path: str) -> tuple[int, str]:
        if method == "PUT":
            return (200, hand_out("token-of-the-metadata")) if self.tokens else (403, "")
        pages = {
            "latest/meta-data/placement/availability-zone/": self.zone,
            ROLE: "bridge",
            f"{ROLE}bridge": json.dumps(KEYS),
        }
        return (200, pages[path]) if path in pages else (404, "")


def metadata_only(port: int) -> Mapping[str, str]:
    """Variables with which the SDK finds region and credentials there, and nowhere else."""
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"), "")
    return {**nothing, "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}/"}
