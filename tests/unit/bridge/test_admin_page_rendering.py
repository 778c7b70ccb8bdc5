import asyncio
from pathlib import Path

from bridge.admin.page.rendering import FOLDER, Renderer
from support.admin_bench import Bench


def read(renderer: Renderer) -> set[str]:
    """The templates that were read."""
    return {str(Path(name).name) for _, name in renderer._environment.cache or ()}


def test_what_is_prepared_is_read_and_nothing_else() -> None:
    renderer = Renderer()

    renderer.prepare(["part.html", "problem.html"])

    assert read(renderer) == {"part.html", "problem.html"}
    assert read(renderer) < {path.name for path in FOLDER.iterdir()}


async def test_the_overview_needs_no_template_that_is_not_read_at_the_start() -> None:
    bench = Bench()
    server = bench.server()
    bench.url = f"http://127.0.0.1:{await server.start()}"
    content = server._pages._content

    await asyncio.get_running_loop().run_in_executor(server._executor, content.prepare)
    before = read(content._renderer)
    status, _ = await bench.text("/")

    assert status == 200
    assert read(content._renderer) == before != set()
    await server.stop()
