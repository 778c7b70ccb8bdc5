"""Real Consul agents on loopback: one alone, one with ACLs, or three servers that elect a leader."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from adapters.consul import Config, ConsulAdapter
from support.confidential import hand_out
from support.ports import free_port

ROOT_TOKEN = hand_out("token-of-the-root")

ELECTION = 30.0
"""Seconds that servers may take to agree on a leader."""

_ACL = f'acl {{ enabled = true default_policy = "deny" tokens {{ master = "{ROOT_TOKEN}" agent = "{ROOT_TOKEN}" }} }}'


def consul_binary() -> str:
    """The Consul to test with: `CONSUL_BINARY`, else the one that `make test` fetches."""
    path = Path(os.environ.get("CONSUL_BINARY") or Path(__file__).parents[2] / ".cache/consul/consul")
    assert path.is_file(), f"there is no Consul at {path}; set CONSUL_BINARY or run `make test`"
    return str(path)


def consul_source(address: str, **config: object) -> ConsulAdapter:
    """An adapter for the agent at `address`, configured as an operator would."""
    return ConsulAdapter(Config.model_validate({"address": address, **config}))


class ConsulAgent:
    """A Consul server process in development mode: what it knows is lost when it ends.

    Args:
        hcl: further configuration.
        token: sent with every request of this object; the agent needs it where ACLs are on.
        host: the address of its HTTP API.
        prefix: of its command, for one that runs elsewhere.
    """

    def __init__(
        self,
        *,
        hcl: str = "",
        token: str = "",
        node: str = "agent",
        dev: Sequence[str] = ("-dev",),
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        self.node = node
        self.port, self._server, self.serf, self._wan = (free_port() for _ in range(4))
        self.host = host
        self.address = f"http://{host}:{self.port}"
        self._prefix = tuple(prefix)
        self._hcl = hcl
        self._mode = tuple(dev)
        self._headers = {"X-Consul-Token": token} if token else {}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there, frozen or not."""
        return self._process is not None and self._process.returncode is None

    async def start(self, *, wait: bool = True) -> None:
        """Start the process, on the same ports as before, and wait until a leader is known."""
        ports = f"http={self.port} server={self._server} serf_lan={self.serf} serf_wan={self._wan}"
        self._process = await asyncio.create_subprocess_exec(
            *self._prefix, consul_binary(), "agent", *self._mode, "-node", self.node, "-bind", "127.0.0.1",
            "-client", self.host,
            "-hcl", f"ports {{ {ports} dns=-1 grpc=-1 https=-1 }} performance {{ raft_multiplier=1 }}",
            "-hcl", f"log_level=\"err\" disable_update_check=true {self._hcl}",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        if wait:
            await self.ready()

    async def ready(self) -> None:
        """Wait until a leader is known and this node is in the catalog."""
        async with asyncio.timeout(30):
            while not await self._is_ready():
                assert self.running, f"consul ended: {self._process}"
                await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        try:
            nodes = await self.get("/v1/catalog/nodes")
        except (aiohttp.ClientError, TimeoutError):
            return False
        return isinstance(nodes, list) and any(node["Node"] == self.node and node["Meta"] for node in nodes)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    async def stop(self) -> None:
        """End it the polite way."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it at once, without a word to its clients."""
        await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            self._process.send_signal(signal.SIGCONT)
            await self._process.wait()

    def _signal(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    async def get(self, path: str) -> object:
        """The JSON that a path answers with; None for an error."""
        return await self.request("GET", path)

    async def put(self, path: str, body: object = None) -> object:
        """Write, and fail the test if Consul refuses."""
        return await self.request("PUT", path, body)

    async def request(self, method: str, path: str, body: object = None) -> object:
        """One request; a write that is refused fails the test.

        Servers may elect anew in the midst of a write, or the one that it was forwarded to may have gone: it is asked
        again, since no write here does harm when it is made twice.
        """
        deadline = asyncio.get_running_loop().time() + ELECTION
        status, text = await self._ask(method, path, body)
        while method != "GET" and _undecided(status, text) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.1)
            status, text = await self._ask(method, path, body)
        assert method == "GET" or status == 200, f"{method} {path}: {status} {text}"
        return json.loads(text) if status == 200 and text.strip() else None

    async def _ask(self, method: str, path: str, body: object) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession(headers=self._headers, timeout=aiohttp.ClientTimeout(total=10)) as session,
            session.request(method, self.address + path, json=body) as response,
        ):
            return response.status, await response.text()

    async def register(
        self,
        service: str,
        address: str = "10.0.0.1",
        *,
        node: str = "vm1",
        id: str = "",  # noqa: A002 (the API's own name)
        port: int = 80,
        **more: object,
    ) -> None:
        """Put an instance into the catalog, on a node that no agent runs on.

        Args:
            service: name of the service.
            address: of the instance.
            node: made when it is not there; its own address is 10.9.9.9.
            id: of the instance, `service` with `address` when left out.
            port: of the instance.
            more: further fields as the API has them: of the service, and `Checks`, `NodeMeta`, `NodeAddress`,
                `NodeTaggedAddresses`.
        """
        await self.put("/v1/catalog/register", registration(service, address, node=node, id=id, port=port, **more))

    async def check(self, node: str, check: str, status: str, *, service_id: str = "", output: str = "") -> None:
        """Set a check of an instance, or of a node."""
        body = {
            "Node": node,
            "CheckID": check,
            "Name": check,
            "Status": status,
            "ServiceID": service_id,
            "Output": output,
        }
        await self.put("/v1/catalog/register", {"Node": node, "SkipNodeUpdate": True, "Check": body})

    async def deregister(self, node: str, service_id: str = "", *, check: str = "") -> None:
        """Take an instance, a check, or with neither a whole node out of the catalog."""
        body = {
            "Node": node,
            **({"ServiceID": service_id} if service_id else {}),
            **({"CheckID": check} if check else {}),
        }
        await self.put("/v1/catalog/deregister", body)

    async def register_local(self, definition: Mapping[str, object]) -> None:
        """Register an instance with the agent itself, which then answers for it."""
        await self.put("/v1/agent/service/register", dict(definition))

    async def policy(self, name: str, rules: str, *, known: str = "") -> str:
        """Make an ACL policy, or change the one of this id; returns the id."""
        body = {"Name": name, "Rules": rules, **({"ID": known} if known else {})}
        made = await self.put(f"/v1/acl/policy/{known}" if known else "/v1/acl/policy", body)
        assert isinstance(made, dict)
        return str(made["ID"])

    async def token(self, policy: str) -> tuple[str, str]:
        """Make a token with a policy; returns its secret and its accessor."""
        made = await self.put("/v1/acl/token", {"Policies": [{"Name": policy}]})
        assert isinstance(made, dict)
        return hand_out(str(made["SecretID"])), str(made["AccessorID"])


def _undecided(status: int, text: str) -> bool:
    """True when servers had no leader for a write, or lost one another in the midst of it."""
    return status == 500 and ("leader" in text or "rpc error" in text)


def registration(
    service: str,
    address: str = "10.0.0.1",
    *,
    node: str = "vm1",
    id: str = "",  # noqa: A002 (the API's own name)
    port: int = 80,
    **more: object,
) -> dict[str, object]:
    """The body of a registration in the catalog; see `ConsulAgent.register`."""
    own = ("Checks", "NodeMeta", "NodeAddress", "NodeTaggedAddresses")
    instance = {key: value for key, value in more.items() if key not in own}
    return {
        "Node": node,
        "Address": more.get("NodeAddress", "10.9.9.9"),
        "NodeMeta": more.get("NodeMeta", {}),
        "TaggedAddresses": more.get("NodeTaggedAddresses"),
        "Service": {
            "Service": service,
            "ID": id or f"{service}-{address}",
            "Address": address,
            "Port": port,
            **instance,
        },
        "Checks": more.get("Checks", []),
    }


@asynccontextmanager
async def consul_agent(*, hcl: str = "", acl: bool = False) -> AsyncIterator[ConsulAgent]:
    """An agent alone; with `acl`, one that lets nobody see anything without a token."""
    agent = ConsulAgent(hcl=f"{hcl} {_ACL}" if acl else hcl, token=ROOT_TOKEN if acl else "")
    await agent.start()
    try:
        yield agent
    finally:
        await agent.kill()


@asynccontextmanager
async def three_servers(directory: Path) -> AsyncIterator[list[ConsulAgent]]:
    """Three servers with data of their own, and a leader."""
    join = 'retry_interval="1s"'
    servers: list[ConsulAgent] = []
    for number in range(3):
        arguments = ("-server", "-bootstrap-expect", "3", "-data-dir", str(directory / f"server{number}"))
        servers.append(ConsulAgent(node=f"server{number}", hcl=join, dev=arguments))
    peers = ", ".join(f'"127.0.0.1:{server.serf}"' for server in servers)
    async with AsyncExitStack() as stack:
        for server in servers:
            server._hcl += f" retry_join=[{peers}]"
            stack.push_async_callback(server.kill)
            await server.start(wait=False)
        for server in servers:
            await server.ready()
        yield servers
