"""systemd/install.sh on a machine with a real systemd: what it refuses, what it keeps, and the way back.

The story is told by a process of its own, which this file is too, in a network that nobody else has.
"""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from scripts.step import ROOT
from support.far_network import PATIENCE, tell
from support.systemd_machine import SystemdMachine
from support.systemd_service import CONFIG, OFFLINE, PROGRAM, Service
from support.waiting import eventually

UNIT = "/usr/local/lib/systemd/system/xds-bridge.service"


async def story(directory: Path) -> None:
    async with SystemdMachine(directory) as machine:
        service = Service(machine)
        await refuses_what_cannot_work(service)
        await installs_once(service)
        await keeps_the_unit_that_was_changed(service)
        await refuses_a_version_that_does_not_accept_the_configuration(service)
        await goes_back_when_the_new_version_does_not_come_up(service)
        await brings_up_the_next_version(service)
        await keeps_what_it_knows_up_and_down(service)
        await takes_everything_away(service)


async def refuses_what_cannot_work(service: Service) -> None:
    machine = service.machine
    machine.write("/root/old/systemctl", "#!/bin/sh\necho 'systemd 240 (240)'\n")
    machine.write("/root/old/python3", '#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2\nexit 1\n')
    await machine.do("chmod", "+x", "/root/old/systemctl", "/root/old/python3")
    await machine.do("cp", "/root/old/python3", "/opt/old-python3")
    await machine.do("cp", "/usr/bin/python3", "/root/python3")
    script, path = ROOT / "systemd/install.sh", "/usr/sbin:/usr/bin:/sbin:/bin"
    refusals = {
        "run it as root": ("setpriv", "--reuid=65534", "--clear-groups", script),
        "systemd 240 is too old": ("env", f"PATH=/root/old:{path}", script),
        "Python 3.9.2 is too old": ("env", "PYTHON=/opt/old-python3", script),
        "lies in a home": ("env", "PYTHON=/root/python3", script),
        "there is no /opt/nothing": ("env", "PYTHON=/opt/nothing", script),
        "is no wheel of xds-bridge": (script, "--wheel", "/etc/passwd"),
        "what is --unistall?": (script, "--unistall"),
        "--purge goes with --uninstall": (script, "--purge"),
    }
    for why, command in refusals.items():
        ran = await machine.run(*command)
        assert ran.status in (1, 2), why
        assert why in ran.output
    for place in ("/opt/xds-bridge", "/etc/xds-bridge", UNIT, "/usr/local/bin/xds-bridge"):
        assert not machine.path(place).exists(), place


async def installs_once(service: Service) -> None:
    first = await service.install()
    assert first.status == 0, first.output
    assert "systemctl enable --now xds-bridge" in first.output
    await service.machine.do("systemctl", "enable", "--now", "xds-bridge")
    process = await service.machine.shows("MainPID")

    again = await service.install()

    assert again.status == 0, again.output
    assert "runs already" in again.output
    assert await service.machine.shows("MainPID") == process
    assert (await service.machine.run("xds-bridge", "status")).status == 0
    await service.machine.do("systemd-analyze", "verify", UNIT)
    await service.machine.do("systemd-analyze", "security", "--offline=yes", "--threshold=20", UNIT)


async def keeps_the_unit_that_was_changed(service: Service) -> None:
    path = service.machine.path(UNIT)
    shipped = path.read_text()
    changed = shipped.replace("MemoryMax=1G", "MemoryMax=2G")
    path.write_text(changed)

    refused = await service.install()

    assert refused.status == 1
    assert "systemctl edit xds-bridge" in refused.output
    assert path.read_text() == changed
    path.write_text(shipped)


async def refuses_a_version_that_does_not_accept_the_configuration(service: Service) -> None:
    config, before = service.machine.path(CONFIG), version(service)
    good = config.read_text()
    config.write_text(f"{good}\nnew_key: 1\n")

    refused = await next_version(service, "0.2.0")

    assert refused == (1, before)
    assert config.read_text() == f"{good}\nnew_key: 1\n"
    assert await service.machine.shows("ActiveState") == "active"
    config.write_text(f"{good}# mine\n")


async def goes_back_when_the_new_version_does_not_come_up(service: Service) -> None:
    before, unit = version(service), service.machine.path(UNIT).read_text()

    refused = await next_version(service, "0.3.0", broken=True)

    assert refused == (1, before)
    assert service.machine.path(UNIT).read_text() == unit
    assert await service.machine.shows("ActiveState") == "active"


async def brings_up_the_next_version(service: Service) -> None:
    before = version(service)

    status, now = await next_version(service, "0.4.0")

    assert status == 0
    assert now.startswith("0.4.0-")
    assert await service.machine.shows("ActiveState") == "active"
    assert "xds-bridge 0.4.0, " in await service.machine.do("xds-bridge", "status")
    assert sorted(path.name for path in service.machine.path("/opt/xds-bridge/versions").iterdir()) == [before, now]
    assert service.machine.path(CONFIG).read_text().endswith("# mine\n")


async def keeps_what_it_knows_up_and_down(service: Service) -> None:
    """Versions that write the same state go both ways; one that writes a newer state is not gone back from."""
    machine, endpoints = service.machine, "/etc/xds-bridge/endpoints.yaml"
    machine.write(endpoints, "services: {web: [{address: 10.0.0.7, port: 8080}]}\n")
    await eventually(lambda: serves(machine, "10.0.0.7:8080"), timeout=30, what="the endpoint is served")
    await machine.do("xds-bridge", "pause")
    machine.write(endpoints, "services: {}\n")
    before = await what_is_paused(machine)
    assert before

    assert (await service.install()).status == 0
    assert version(service).startswith("0.1.0-")
    assert await serves(machine, "10.0.0.7:8080")
    assert await what_is_paused(machine) == before

    status, newest = await next_version(service, "0.5.0", newer_state=True)
    assert (status, newest[:6]) == (0, "0.5.0-")
    assert await serves(machine, "10.0.0.7:8080")
    assert await what_is_paused(machine) == before

    back = await service.install()
    assert (back.status, version(service)) == (1, newest)
    assert "did not come up" in back.output
    assert "schema version 2, and this bridge reads 1 at most" in await machine.journal()
    assert await serves(machine, "10.0.0.7:8080")
    assert await what_is_paused(machine) == before


async def serves(machine: SystemdMachine, endpoint: str) -> bool:
    return endpoint in (await machine.run("xds-bridge", "endpoints", "web")).output


async def what_is_paused(machine: SystemdMachine) -> list[object]:
    """Since when, and by whom, each source is paused."""
    status = json.loads((await machine.run("xds-bridge", "status", "-o", "json")).output)
    return [(each["name"], each["paused"]["since"], each["paused"]["by"]) for each in status["sources"]]


async def takes_everything_away(service: Service) -> None:
    for _ in range(2):  # the second time there is nothing left, which is as it should be
        gone = await service.install("--uninstall")
        assert gone.status == 0, gone.output
    for place in ("/opt/xds-bridge", UNIT, "/usr/local/bin/xds-bridge"):
        assert not service.machine.path(place).exists(), place
    assert await service.machine.shows("LoadState") == "not-found"
    assert service.machine.path(CONFIG).exists()

    assert (await service.install("--uninstall", "--purge")).status == 0
    for place in ("/etc/xds-bridge", "/var/lib/private/xds-bridge"):
        assert not service.machine.path(place).exists(), place


def version(service: Service) -> str:
    """The version that is in use."""
    return service.machine.path("/opt/xds-bridge/bin").readlink().parent.name


async def next_version(
    service: Service, number: str, *, broken: bool = False, newer_state: bool = False
) -> tuple[int, str]:
    """Install another version; how install.sh ended, and which is in use then."""
    source, machine = f"/root/{number}", service.machine
    await machine.do("mkdir", source)
    await machine.do("cp", "-R", *(ROOT / name for name in PROGRAM), source)
    project = machine.path(f"{source}/pyproject.toml")
    project.write_text(project.read_text().replace('version = "0.1.0"', f'version = "{number}"'))
    if broken:
        application = machine.path(f"{source}/bridge/app.py")
        application.write_text(application.read_text() + "\n\nasync def serve(*_):\n    raise OSError('no')\n")
        unit = machine.path(f"{source}/systemd/xds-bridge.service")
        unit.write_text(unit.read_text() + "# of that version\n")
    if newer_state:
        schema = machine.path(f"{source}/bridge/state/schema.py")
        schema.write_text(f"{schema.read_text()}\nCURRENT = Schema(2, {{1: lambda content: content}})\n")
    ran = await machine.run(f"{source}/systemd/install.sh", environ=OFFLINE)
    return ran.status, version(service)


@pytest.mark.timeout(PATIENCE)
async def test_install_sh_changes_what_it_says_and_nothing_else(tmp_path: Path, repository: Path) -> None:
    assert await tell(__file__, tmp_path, repository, superuser=True) == ""


async def test_install_sh_is_for_machines_that_systemd_runs(repository: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        repository / "systemd/install.sh", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )

    output, _ = await process.communicate()

    assert process.returncode == 1
    assert "systemd does not run this machine" in output.decode()


if __name__ == "__main__":
    asyncio.run(story(Path(sys.argv[1])))
