"""Faults of the sources: Consul, the way to it, the file, and the way to AWS."""

from collections.abc import Iterator
from functools import partial

from soak.fault import Act, Fault, fault
from soak.script import registry, way
from soak.stage import ONE, Stage
from support.fault_proxy import Fault as Answer
from support.fault_proxy import (
    FaultProxy,
    Response,
    body,
    hang,
    reset_in_body,
    rewritten,
    status,
    truncated,
)
from support.waiting import eventually

CATALOG = "/v1/catalog/services"

HTML = rewritten(lambda _: Response(200, (), b"<html>hi</html>"))

ANSWERS = {
    "garbage": HTML,
    "broken off": reset_in_body,
    "never there": hang,
    "cut short": truncated,
    "500": status(500, b"No cluster leader"),
    "403": status(403, b"Permission denied"),
}

SOURCES = {"web": "dc1", "api": "local", "jobs": "ecs"}


def faults() -> Iterator[Fault]:
    """All of them."""
    agent = partial(fault, touches=frozenset({registry("web"), way("web")}), blinds=frozenset({"web"}))
    yield agent("Consul killed", _kill, _start, weight=3)
    yield agent("Consul frozen", _freeze, _thaw, weight=2)
    yield fault(
        "Consul emptied",
        _empty,
        _register,
        weight=3,
        touches=frozenset({registry("web"), way("web"), ONE}),
        blinds=frozenset({"web"}),
    )
    for name, answer in ANSWERS.items():
        yield _misled(f"Consul's answers are {name}", "web", partial(_answer, "web", answer))
    yield _misled("Consul's answers are empty", "web", _show_nothing, weight=2)
    for name in ("garbage", "cut short", "500"):
        yield _misled(f"AWS's answers are {name}", "jobs", partial(_answer, "jobs", ANSWERS[name]))
    file = partial(fault, touches=frozenset({registry("api"), way("api")}), blinds=frozenset({"api"}), weight=2)
    yield file("file cut short", _cut, _write)
    yield file("file removed", _remove, _write)


def _misled(name: str, service: str, break_: Act, weight: int = 1) -> Fault:
    heal = partial(_heal, service)
    return fault(name, break_, heal, weight=weight, touches=frozenset({way(service)}), blinds=frozenset({service}))


async def _kill(stage: Stage) -> None:
    await stage.consul.agent.kill()
    await stage.failing("dc1")


async def _start(stage: Stage) -> None:
    await stage.consul.agent.start()


async def _freeze(stage: Stage) -> None:
    stage.consul.agent.pause()
    await stage.failing("dc1")


async def _thaw(stage: Stage) -> None:
    stage.consul.agent.resume()
    await stage.consul.agent.ready()


async def _empty(stage: Stage) -> None:
    await stage.consul.forget()

    async def held() -> bool:
        return (await stage.bridges[ONE].get("/api/v1/guard"))["held"] != []

    await eventually(held, timeout=90, what="bridge one holds what Consul lost")


async def _register(stage: Stage) -> None:
    for place in stage.places.values():
        if place.service == "web":
            await stage.consul.tell(place)


async def _answer(service: str, answer: Answer, stage: Stage) -> None:
    _proxy(stage, service).fault("/", answer)
    await stage.failing(SOURCES[service])


async def _show_nothing(stage: Stage) -> None:
    """As to a token that lost its rights."""
    for path, content in ((CATALOG, b"{}"), ("/v1/catalog/nodes", b"[]"), ("/v1/health/service/", b"[]")):
        stage.consul.proxy.fault(path, body(content))
    before = len(stage.consul.proxy.asked(CATALOG))
    await eventually(lambda: len(stage.consul.proxy.asked(CATALOG)) > before + 2, timeout=60, what="Consul is asked")


async def _heal(service: str, stage: Stage) -> None:
    _proxy(stage, service).heal()


async def _cut(stage: Stage) -> None:
    path = stage.file.file.path
    path.write_text(path.read_text()[:-5])
    await stage.failing("local")


async def _remove(stage: Stage) -> None:
    stage.file.file.path.unlink()
    await stage.failing("local")


async def _write(stage: Stage) -> None:
    stage.file.write()


def _proxy(stage: Stage, service: str) -> FaultProxy:
    return stage.consul.proxy if service == "web" else stage.ecs.proxy
