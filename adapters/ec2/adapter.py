"""The adapter: follows every account and region of a source, each for itself."""

import asyncio
from functools import partial

from adapters._aws import Api, Listeners, Pace, Place, connected, exclusive
from adapters.ec2.config import Config as Ec2Config
from adapters.ec2.config import searched
from adapters.ec2.fleet import APART
from adapters.ec2.operation import operations, permissions
from adapters.ec2.reader import Reader
from bridge.adapter import AdapterContext
from bridge.provenance import Question, Search, Statement


class Ec2Adapter:
    """Tagged EC2 instances as a source."""

    Config = Ec2Config
    permissions = staticmethod(permissions)
    exclusive = staticmethod(exclusive)
    searched = staticmethod(searched)

    def __init__(self, config: Ec2Config, apart: float = APART) -> None:
        """Know nothing.

        Args:
            config: of the source.
            apart: seconds that at least lie between two passes in which an absence counts; fewer in tests.
        """
        self._config = config
        self._apart = apart
        self._readers: dict[Place, Reader] = {}
        self._apis: dict[Place, Api] = {}
        """For questions, while there is a run."""

    async def run(self, context: AdapterContext) -> None:
        """Report every place, then again and again, until cancelled.

        Raises:
            SourceError: nothing says which region to read, or a queue is in none that is read.
        """
        async with connected(self._config, context, operations(self._config)) as apis:
            rounds = _Rounds(context, apis)
            self._apis = {api.place: api.branch() for api in apis}
            try:
                with Listeners(context, self._config, self._config.interval, apis) as listeners:
                    async with asyncio.TaskGroup() as places:
                        for api in apis:
                            self._begin(api, rounds, listeners, places)
            finally:
                self._apis = {}

    async def explain(self, question: Question) -> Statement:
        """What the places have of a service or an address; see `bridge.adapter.Explaining`."""
        search, instances, unknown = Search(question), 0, dict[str, None]()
        for place, reader in sorted(self._readers.items(), key=lambda item: str(item[0])):
            count, problem = await reader.explain(self._apis.get(place), search)
            instances += count
            unknown |= {problem: None} if problem else {}
        hidden = f"but not those that its filters hide ({'; '.join(unknown)})" if unknown else "and those it leaves out"
        return search.statement(f"{instances} instances in {self._config.where}, {hidden}")

    def _begin(self, api: Api, rounds: "_Rounds", listeners: Listeners, places: asyncio.TaskGroup) -> None:
        """Have one place read, and listened to where it has a queue."""
        context = rounds.context
        pace = Pace(context, self._config.interval, api, str(api.place))
        pace.relieved_by(listeners.relief(api.place))
        # What is known outlives this run: without it, whatever a list leaves out would be gone.
        reader = self._readers.setdefault(api.place, Reader(self._config, api.place, self._apart))
        work = partial(_follow, reader, api, pace, rounds)
        places.create_task(context.supervise(str(api.place), work), name=f"ec2 {api.place}")
        if listener := listeners.all.get(api.place):
            apply = partial(reader.follow_up, api.branch(), context)
            places.create_task(context.supervise(listener.label, partial(listener.run, apply), vital=False))


async def _follow(reader: Reader, api: Api, pace: Pace, rounds: "_Rounds") -> None:
    async for _ in pace.ticks():
        async with pace.turn():
            await reader.refresh(api, rounds.context)
        rounds.succeeded(api.place)


class _Rounds:
    """Says that the source was read once every place was, since it last said so."""

    def __init__(self, context: AdapterContext, apis: tuple[Api, ...]) -> None:
        self.context = context
        self._places = frozenset(api.place for api in apis)
        self._left = set(self._places)

    def succeeded(self, place: Place) -> None:
        self.context.succeeded(str(place))
        self._left.discard(place)
        if not self._left:
            self._left = set(self._places)
            self.context.succeeded()
