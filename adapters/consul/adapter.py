"""The adapter: puts the parts together for one run."""

from urllib.parse import urlsplit

from adapters.consul.agent import Agent
from adapters.consul.book import Book, Memory
from adapters.consul.client import Client
from adapters.consul.config import Config as ConsulConfig
from adapters.consul.config import tls_context
from adapters.consul.credential import Credential, credential
from adapters.consul.follower import Follower
from adapters.consul.mapping import Mapper
from adapters.consul.transport import Target
from bridge.adapter import AdapterContext


class ConsulAdapter:
    """The services of one Consul datacenter as a source."""

    Config = ConsulConfig

    def __init__(self, config: ConsulConfig) -> None:
        """Load the certificates.

        Raises:
            ConfigError: one of them cannot be read.
        """
        self._config = config
        self._tls = tls_context(config)
        self._memory = Memory()

    async def run(self, context: AdapterContext) -> None:
        """Report every service, then every change, until cancelled.

        Raises:
            SourceError: the agent cannot be asked for its catalog.
        """
        config = self._config
        # By host and port alone: whatever the scheme and the TLS settings, the agent counts its connections together.
        agent = context.shared(f"consul:{urlsplit(config.address).netloc}", Agent)

        def unreadable(detail: str) -> None:
            context.noticed("consul.token_unreadable", path=str(config.token_file), detail=detail)

        with credential(config.token_file, unreadable) as token:
            async with agent.joined():
                client = Client(config, agent, self._target(token, context))
                memory = self._memory
                memory.datacenter = memory.datacenter or config.datacenter or await client.datacenter()
                book = Book(memory, Mapper(config, memory.datacenter), client, context)
                await Follower(config, agent, client, book, context).run()

    def _target(self, token: Credential | None, context: AdapterContext) -> Target:
        config = self._config
        server_name = config.tls.server_name if config.tls else None
        return Target(config.address, self._tls, server_name, token, context.requested)
