"""The adapter: puts the parts together for one run."""

from urllib.parse import urlsplit

from adapters.consul.agent import Agent
from adapters.consul.book import Book, Memory
from adapters.consul.client import Client
from adapters.consul.config import Config as ConsulConfig
from adapters.consul.config import tls_context
from adapters.consul.credential import Credential, credential
from adapters.consul.explanation import Explainer
from adapters.consul.follower import Follower
from adapters.consul.mapping import Mapper
from adapters.consul.transport import Target
from bridge.adapter import AdapterContext
from bridge.errors import SourceError
from bridge.provenance import Question, Statement


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
        self._explainer: Explainer | None = None

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
                mapper = Mapper(config, memory.datacenter)
                book = Book(memory, mapper, client, context)
                self._explainer = Explainer(mapper, client, memory)
                try:
                    await Follower(config, agent, client, book, context).run()
                finally:
                    self._explainer = None

    async def explain(self, question: Question) -> Statement:
        """What the datacenter has of a service or an address; see `bridge.adapter.Explaining`.

        Raises:
            SourceError: the agent does not answer, or has never answered.
        """
        if self._explainer is None:
            raise SourceError(f"Consul agent {self._config.address} has not answered yet")
        return await self._explainer.explain(question)

    def _target(self, token: Credential | None, context: AdapterContext) -> Target:
        config = self._config
        server_name = config.tls.server_name if config.tls else None
        return Target(config.address, self._tls, server_name, token, context.requested)
