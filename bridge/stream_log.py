"""What an operator should read about the streams of Envoys: who refused what, and what went wrong."""

import logging
from collections import OrderedDict

from xds import ObservedStream, Reason, Refused, StreamObserver

log = logging.getLogger(__name__)

REMEMBERED = 1024
"""Rejections and refusals of which it is remembered that they were logged."""


class StreamLog(StreamObserver):
    """Logs what is worth a line; the rest is counted by the metrics.

    An Envoy that refuses a version refuses it again on each reconnect: that is said once.
    """

    def __init__(self) -> None:
        self._said: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def identified(self, stream: ObservedStream) -> None:
        """An Envoy is there."""
        log.debug("stream.opened", extra=_who(stream))

    def closed(self, stream: ObservedStream) -> None:
        """An Envoy has left."""
        log.debug("stream.closed", extra=_who(stream))

    def nacked(self, stream: ObservedStream, type_url: str, version: str, message: str) -> None:
        """An Envoy keeps its last good configuration, because it refused ours."""
        if self._first(stream.node.id if stream.node else stream.peer, type_url, version):
            log.warning("stream.nacked", extra={**_who(stream), "type": type_url, "version": version, "error": message})

    def unanswered(self, stream: ObservedStream, type_url: str) -> None:
        """An Envoy has not said what it thinks of a response."""
        log.info("stream.unanswered", extra={**_who(stream), "type": type_url})

    def stalled(self, stream: ObservedStream) -> None:
        """An Envoy does not read: its stream is ended, so that it comes back."""
        log.warning("stream.stalled", extra=_who(stream))

    def slowed(self, stream: ObservedStream) -> None:
        """An Envoy, or something else, asks without a pause: it is read more slowly than it sends."""
        log.warning("stream.slowed", extra=_who(stream))

    def unsupported(self, stream: ObservedStream, type_url: str) -> None:
        """An Envoy waits in vain for a type that comes from elsewhere."""
        log.warning("stream.unsupported", extra={**_who(stream), "type": type_url[:200]})

    def refused(self, peer: str, refusal: Refused) -> None:
        """Somebody is not served; a client that comes back again and again is named once for each reason.

        That there is nothing to serve yet is no news about a client; `/readyz` says what is missing.
        """
        if refusal.reason is not Reason.NOT_READY and self._first(peer.rpartition(":")[0], refusal.reason, ""):
            extra = {"peer": peer, "reason": refusal.reason, "message_to_client": str(refusal)}
            log.warning("stream.refused", extra=extra)

    def failed(self, stream: ObservedStream, error: BaseException) -> None:
        """A bug of ours ended a stream."""
        log.error("stream.crashed", extra=_who(stream), exc_info=error)

    def _first(self, *key: str) -> bool:
        """Whether this is to be said now, for the first time as far as it is remembered."""
        if key in self._said:
            return False
        self._said[key] = None
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return True


def _who(stream: ObservedStream) -> dict[str, str]:
    node = stream.node
    return {"node": node.id if node else "", "cluster": node.cluster if node else "", "peer": stream.peer}
