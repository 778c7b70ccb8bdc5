"""Events from a queue as hints of what to read again: received, gathered, handed over, and deleted once applied.

A message that was not applied stays in the queue, which shows it again after its visibility time-out. Any number of
copies in any order do no harm, since a hint is no more than a reason to ask.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from adapters._aws.api import Api
from adapters._aws.config import AwsConfig
from adapters._aws.error import AwsError
from adapters._aws.message import Heartbeat, InstanceChanged, TaskChanged, Unknown, parse
from adapters._aws.place import Place
from adapters._aws.pulse import Pulse
from adapters._aws.queue import Queue, assigned
from bridge.adapter import AdapterContext
from bridge.errors import SourceError

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

    def __init__(self, context: AdapterContext, api: Api, queue: Queue, pulse: Pulse) -> None:
        """Hear nothing yet.

        Args:
            context: of the adapter.
            api: calls in the place.
            queue: of the place.
            pulse: of the queue.
        """
        self.label = f"events of {api.place}"
        """What is read, for the log. Passes go on without it, so no source waits for it."""
        self._context = context
        self._api = api.aside(WAIT + api.place.timeout, _RATE)
        self._queue = queue
        self._pulse = pulse
        self._unknown = 0

    async def run(self, apply: Apply) -> None:
        """Listen until cancelled; a question that is on its way then ends by itself, in its thread.

        Raises:
            AwsError: the queue cannot be read, or something could not be applied; its messages come again.
        """
        while True:
            messages = await self._gathered()
            left = await self._heard(messages, apply)
            await self._delete([one for one in messages if one not in left])
            for error in left.values():
                if error is not None:
                    message = f"an event was not applied and comes again: {error}"
                    raise AwsError(message, error.kind, error.code, missing=error.missing)
            self._context.succeeded(self.label)

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
            "QueueUrl": self._queue.url,
            "MaxNumberOfMessages": _BATCH,
            "WaitTimeSeconds": wait,
            "MessageSystemAttributeNames": ["SentTimestamp", "ApproximateReceiveCount"],
        }
        answer = await self._api.call("sqs", "ReceiveMessage", parameters)
        return list(_messages(answer))

    async def _heard(self, messages: Sequence[_Message], apply: Apply) -> Mapping[_Message, AwsError | None]:
        """Do what messages say; returns those to be heard again."""
        now = asyncio.get_running_loop().time()
        hints: dict[_Message, Hint] = {}
        for message in messages:
            match message.event:
                case Heartbeat():
                    self._pulse.beat(message.age)
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
            await self._api.call("sqs", "DeleteMessageBatch", {"QueueUrl": self._queue.url, "Entries": entries})

    def _strange(self, reason: str) -> None:
        """Count a message that is deleted unused; told of the first one, the tenth, the hundredth and so on."""
        self._unknown += 1
        if str(self._unknown).strip("0") == "1":
            self._context.noticed("aws.message_unknown", queue=self._queue.url, what=reason, count=self._unknown)


class Listeners:
    """The queues of one source, each with the place that it tells of."""

    def __init__(self, context: AdapterContext, config: AwsConfig, interval: float, apis: Sequence[Api]) -> None:
        """Hear nothing yet.

        Args:
            context: of the adapter.
            config: of the source; without `events` there is no queue.
            interval: seconds between two passes without events, as configured.
            apis: the places that are read.

        Raises:
            SourceError: a queue is of none of these places, or of another source.
        """
        self._pulses: dict[Place, Pulse] = {}
        self.all: dict[Place, Listener] = {}
        """Those that there are."""
        if config.events is None:
            return
        try:
            queues = assigned(config.events.queues, [api.place for api in apis])
        except ValueError as error:
            raise SourceError(f"events.queue: {error}") from error
        readers = context.shared("aws.queues", dict[str, str])
        for url in config.events.queue:
            if (other := readers.setdefault(url, context.source)) != context.source:
                raise SourceError(f"events.queue: {url} is read by the source {other!r} too; each needs its own")
        for api in apis:
            if queue := queues.get(api.place):
                pulse = self._pulses[api.place] = Pulse(context, config.events, queue, interval)
                self.all[api.place] = Listener(context, api, queue, pulse)

    def relief(self, place: Place) -> Callable[[], float]:
        """What `Pace` asks: how many seconds may lie between two passes over a place now; 0 where there is no queue."""
        pulse = self._pulses.get(place)
        return pulse.relief if pulse else lambda: 0.0


def _messages(answer: Mapping[str, object]) -> Iterator[_Message]:
    for message in cast("Sequence[Mapping[str, object]]", answer.get("Messages") or ()):
        attributes = cast("Mapping[str, str]", message.get("Attributes") or {})
        now = time.time()  # by the wall clock, as we share no other with AWS; a message from the future is a new one
        age = max(0.0, now - float(attributes.get("SentTimestamp", 1000 * now)) / 1000)
        again = attributes.get("ApproximateReceiveCount", "1") != "1"
        yield _Message(str(message["ReceiptHandle"]), age, parse(str(message.get("Body", ""))), again)
