"""What the token of a source may see in a Consul with ACLs, in the hands of the test."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from support.consul import ConsulAgent

READ_ALL = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'


@dataclass
class Rights:
    """The policy of the token that the source uses, and the file with it."""

    agent: ConsulAgent
    policy: str
    accessor: str
    file: Path

    async def change(self, rules: str) -> None:
        await self.agent.policy("bridge", rules, known=self.policy)

    async def revoke(self) -> None:
        await self.agent.request("DELETE", f"/v1/acl/token/{self.accessor}")


async def granted(agent: ConsulAgent, file: Path) -> Rights:
    """Write a token into the file that may read everything, until it is changed."""
    policy = await agent.policy("bridge", READ_ALL)
    secret, accessor = await agent.token("bridge")
    await asyncio.to_thread(file.write_text, f"{secret}\n")
    return Rights(agent, policy, accessor, file)
