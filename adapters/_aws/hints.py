"""Events from a queue as hints of what to read again: received, gathered, handed over, and deleted once applied.

A message that was not applied stays in the queue, which shows it again after its visibility time-out. Any number of
copies in any order do no harm, since a hint is no more than a reason to ask.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self, cast

from adapters._aws.api import Api
from adapters._aws.claim import Claim
from adapters._aws.config import AwsConfig
from adapters._aws.error import AwsError
from adapters._aws.message import Heartbeat, InstanceChanged, TaskChanged, Unknown, parse
from adapters._aws.place import Place
from adapters._aws.pulse import Pulse
from adapters._aws.queue import assigned
from bridge.adapter import AdapterContext
from bridge.errors import SourceError
from bridge.model import SourceName

WAIT = 20
"""Seconds for which SQS holds a question until there is a message; its longest."""

GATHER = 0.2
"""Seconds for which more messages are asked for after a first one: a deployment makes many at a time."""

_BATCH = 10
"""The most messages that SQS gives, or deletes, with one call."""

_RATE = 20.0
"""Calls per second to a queue; SQS itself takes thousands, and these are none of those that `api_budget` is about."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A task or an instance that something was heard of."""

    about: TaskChanged | InstanceChanged
    sent_at: float
    """On the event loop's clock."""
    again: bool = False
    """The message was received before, and its hint not applied."""


Apply = Callable[[Sequence[Hint]], Awaitable[Mapping[Hint, AwsError | None]]]
"""Reads again what hints name and reports it; returns the hints to be heard again, with what went wrong if it did."""


@dataclass(frozen=True, slots=True)
class _Message:
    handle: str
    """By which it is deleted."""
    age: float
    """Seconds since it was sent."""
    event: TaskChanged | InstanceChanged | Heartbeat | Unknown
    again: bool


class Listener:
    """Hears of the changes in one place, in one run of the adapter."""

    def __init__(self, context: AdapterContext, api: Api, claim: Claim, begin: Callable[[], Pulse]) -> None:
        """Hear nothing yet.

        Args:
            context: of the adapter.
            api: calls in the place.
            claim: to the queue of the place.
            begin: makes the pulse of the queue, once there is somebody to hear it.
        """
        self.label = f"events of {api.place}"
        """What is read, for the log. Passes go on without it, so no source waits for it."""
        self._context = context
        self._api = api.aside(WAIT + api.place.timeout, _RATE)
        self._claim = claim
        self._begin = begin
        self._pulse: Pulse | None = None
        self._unknown = 0

    def relief(self) -> float:
        """Seconds that may lie between two passes now; 0 while another source has the queue."""
        return self._pulse.relief() if self._pulse else 0.0

    async def run(self, apply: Apply) -> None:
        """Listen until cancelled; a question that is on its way then ends by itself, in its thread.

        Waits while another source reads the queue: one that leaves does so until this one has been read by passes.

        Raises:
            AwsError: the queue cannot be read, or something could not be applied; its messages come again.
        """
        if self._pulse is None:
            await self._claim.take(self._held_by)
            self._pulse = self._begin()
        while True:
            messages = await self._gathered()
            left = await self._heard(messages, self._pulse, apply)
            await self._delete([one for one in messages if one not in left])
            for error in left.values():
                if error is not None:
                    message = f"an event was not applied and comes again: {error}"
                    raise AwsError(message, error.kind, error.code, missing=error.missing)
            self._context.succeeded(self.label)

    def _held_by(self, other: SourceName) -> None:
        self._context.noticed("aws.queue_awaited", queue=self._claim.url, read_by=other)

    async def _gathered(self) -> list[_Message]:
        """What there is, from the first message on; nothing after a long time without."""
        clock = asyncio.get_running_loop().time
        messages = await self._receive(WAIT)
        until = clock() + GATHER
        more = messages
        while more and clock() < until:
            more = await self._receive(0)
            messages += more
        return messages

    async def _receive(self, wait: int) -> list[_Message]:
        parameters = {
            "QueueUrl": self._claim.url,
            "MaxNumberOfMessages": _BATCH,
            "WaitTimeSeconds": wait,
            "MessageSystemAttributeNames": ["SentTimestamp", "ApproximateReceiveCount"],
        }
        answer = await self._api.call("sqs", "ReceiveMessage", parameters)
        return list(_messages(answer))

    async def _heard(
        self, messages: Sequence[_Message], pulse: Pulse, apply: Apply
    ) -> Mapping[_Message, AwsError | None]:
        """Do what messages say; returns those to be heard again."""
        now = asyncio.get_running_loop().time()
        hints: dict[_Message, Hint] = {}
        for message in messages:
            match message.event:
                case Heartbeat():
                    pulse.beat(message.age)
                case Unknown(reason):
                    self._strange(reason)
                case about:
                    hints[message] = Hint(about, now - message.age, message.again)
        if not hints:
            return {}
        left = await apply(list(dict.fromkeys(hints.values())))
        return {message: left[hint] for message, hint in hints.items() if hint in left}

    async def _delete(self, messages: Sequence[_Message]) -> None:
        for start in range(0, len(messages), _BATCH):
            part = messages[start : start + _BATCH]
            entries = [{"Id": str(number), "ReceiptHandle": one.handle} for number, one in enumerate(part)]
            # One that cannot be deleted comes again, which does no harm.
            await self._api.call("sqs", "DeleteMessageBatch", {"QueueUrl": self._claim.url, "Entries": entries})

    def _strange(self, reason: str) -> None:
        """Count a message that is deleted unused; told of the first one, the tenth, the hundredth and so on."""
        self._unknown += 1
        if str(self._unknown).strip("0") == "1":
            self._context.noticed("aws.message_unknown", queue=self._claim.url, what=reason, count=self._unknown)


class Listeners:
    """The queues of one source, each with the place that it tells of; a context that lasts as long as the run."""

    def __init__(self, context: AdapterContext, config: AwsConfig, interval: float, apis: Sequence[Api]) -> None:
        """Hear nothing yet.

        Args:
            context: of the adapter.
            config: of the source; without `events` there is no queue.
            interval: seconds between two passes without events, as configured.
            apis: the places that are read.

        Raises:
            SourceError: a queue is of none of these places.
        """
        self._claims: list[Claim] = []
        self.all: dict[Place, Listener] = {}
        """Those that there are."""
        if config.events is None:
            return
        try:
            queues = assigned(config.events.queues, [api.place for api in apis])
        except ValueError as error:
            raise SourceError(f"events.queue: {error}") from error
        holders = context.shared("aws.queues", dict[str, Claim])
        for api in apis:
            if queue := queues.get(api.place):
                claim = Claim(holders, queue.url, context.source)
                self._claims.append(claim)
                begin = partial(Pulse, context, config.events, queue, interval)
                self.all[api.place] = Listener(context, api, claim, begin)

    def __enter__(self) -> Self:
        """Go on: each listener takes its queue when it runs."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let other sources have the queues, however the run ended."""
        for claim in self._claims:
            claim.give_up()

    def relief(self, place: Place) -> Callable[[], float]:
        """What `Pace` asks: how many seconds may lie between two passes over a place now; 0 where there is no queue."""
        listener = self.all.get(place)
        return listener.relief if listener else lambda: 0.0


def _messages(answer: Mapping[str, object]) -> Iterator[_Message]:
    for message in cast("Sequence[Mapping[str, object]]", answer.get("Messages") or ()):
        attributes = cast("Mapping[str, str]", message.get("Attributes") or {})
        now = time.time()  # by the wall clock, as we share no other with AWS; a message from the future is a new one
        age = max(0.0, now - float(attributes.get("SentTimestamp", 1000 * now)) / 1000)
        again = attributes.get("ApproximateReceiveCount", "1") != "1"
        yield _Message(str(message["ReceiptHandle"]), age, parse(str(message.get("Body", ""))), again)
