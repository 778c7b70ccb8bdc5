"""What can be changed over HTTP, and through which door: the unix socket alone, where it is known who asks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Protocol, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.admin import unix_socket
from bridge.operator import Done, NothingToDoError, UnknownError, Who
from bridge.reload import ReloadOutcome

LONGEST = 10 * 365 * 24 * 3600.0
"""Seconds that a drain may take."""

BodyT = TypeVar("BodyT", bound=BaseModel)

Answer = Callable[[web.Request], Awaitable[web.Response]]

Kept = Callable[[], Awaitable[str]]
"""Waits until what was done outlasts a crash; says why it does not, and nothing when it does."""


class Verbs(Protocol):
    """What an operator can do (`operator.Hand`)."""

    def pause(self, source: str | None, who: Who) -> Done:
        """Freeze a source, or all."""

    def resume(self, source: str | None, who: Who) -> Done:
        """End that."""

    def drain(self, target: str, length: float, who: Who) -> Done:
        """Send no new requests somewhere, for so many seconds."""

    def undrain(self, target: str, who: Who) -> Done:
        """End that."""

    def release(self, source: str, who: Who) -> Done:
        """Let go of what is held."""


class Reload(Protocol):
    """Has the configuration read again (`Bridge.reload`)."""

    def __call__(self, by: str, *, accept_loss: bool) -> Awaitable[ReloadOutcome]:
        """What came of it, once that is known."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PauseBody(_Body):
    """What `pause` and `resume` are about."""

    source: str | None = None
    """None for all of them."""


class DrainBody(_Body):
    """What is to be drained, and for how long."""

    target: str
    seconds: Annotated[float, Field(gt=0, le=LONGEST)] = 3600.0


class UndrainBody(_Body):
    """What is no longer to be drained."""

    target: str


class ReleaseBody(_Body):
    """Of which source to release what is held."""

    source: str


class ReloadBody(_Body):
    """How the configuration is to be read again."""

    accept_loss: bool = False
    """Go by it whatever it takes from the Envoys."""


class Changes:
    """The paths by which something is changed.

    Args:
        verbs: what can be done at once.
        reload: what takes some time.
        kept: waited for before it is said that something is done.
        executor: for looking up who asks.
        door: the path of the socket, for the audit.
    """

    def __init__(self, verbs: Verbs, reload: Reload, kept: Kept, executor: Executor, door: str) -> None:
        self._verbs = verbs
        self._reload = reload
        self._kept = kept
        self._executor = executor
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """For the server on the unix socket."""
        return [web.post(path, answer) for path, answer in self._answers().items()]

    def closed(self) -> list[web.RouteDef]:
        """For the server on the network: the same paths, which say where the door is."""
        return [web.post(path, _elsewhere) for path in self._answers()]

    def _answers(self) -> Mapping[str, Answer]:
        verbs = self._verbs
        return {
            "/api/v1/pause": self._answer(PauseBody, lambda body, who: verbs.pause(body.source, who)),
            "/api/v1/resume": self._answer(PauseBody, lambda body, who: verbs.resume(body.source, who)),
            "/api/v1/drain": self._answer(DrainBody, lambda body, who: verbs.drain(body.target, body.seconds, who)),
            "/api/v1/undrain": self._answer(UndrainBody, lambda body, who: verbs.undrain(body.target, who)),
            "/api/v1/guard/release": self._answer(ReleaseBody, lambda body, who: verbs.release(body.source, who)),
            "/api/v1/reload": self._reloaded,
        }

    def _answer(self, model: type[BodyT], change: Callable[[BodyT, Who], Done]) -> Answer:
        async def answer(request: web.Request) -> web.Response:
            body = await _read(request, model)
            who = await self._who(request)
            try:
                done = change(body, who)
            except UnknownError as error:
                raise web.HTTPNotFound(text=str(error)) from error
            except NothingToDoError as error:
                raise web.HTTPConflict(text=str(error)) from error
            if reason := await self._kept():
                forgotten = f"this is not kept on disk, so a bridge that is killed now forgets it: {reason}"
                done = Done(done.message, (*done.warnings, forgotten))
            return web.json_response(asdict(done))

        return answer

    async def _reloaded(self, request: web.Request) -> web.Response:
        body = await _read(request, ReloadBody)
        outcome = await self._reload(str(await self._who(request)), accept_loss=body.accept_loss)
        if outcome.ok:
            return web.json_response(asdict(Done(outcome.done)))
        return web.json_response({"error": outcome.error, "losses": outcome.losses}, status=HTTPStatus.CONFLICT)

    async def _who(self, request: web.Request) -> Who:
        """The process that asks; without the operating system's word for it, nobody may."""
        connection: unix_socket.Connection | None = (
            request.transport.get_extra_info("socket") if request.transport else None
        )
        try:
            peer = unix_socket.peer(connection) if connection else None
        except OSError:
            peer = None
        if peer is None:  # the connection is gone
            raise web.HTTPForbidden(text="it is not known who asks")
        user = await asyncio.get_running_loop().run_in_executor(self._executor, lambda: peer.user)
        return Who(user, peer.uid, peer.gid, peer.pid, self._door)


async def _elsewhere(_request: web.Request) -> web.Response:
    raise web.HTTPForbidden(text="nothing is changed over the network; use the unix socket (admin.socket)")


async def _read(request: web.Request, model: type[BodyT]) -> BodyT:
    try:
        return model.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise web.HTTPBadRequest(text=f"{where or 'the body'}: {first['msg']}") from error
