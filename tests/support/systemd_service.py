"""The bridge as `systemd/install.sh` leaves it on a machine, and what a person does there."""

import json
from collections.abc import Sequence
from pathlib import Path

from scripts.step import ROOT
from scripts.wheels import WHEELS
from support.systemd_machine import Ran, SystemdMachine
from support.waiting import eventually

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}
"""The packages were fetched before: the machine has no network."""

PROGRAM = ("bridge", "adapters", "xds", "systemd", "requirements", "docs", "pyproject.toml", "README.md", "LICENSE")
"""What install.sh needs of a source distribution."""

CONFIG = "/etc/xds-bridge/bridge.yaml"
CREDENTIALS = "/etc/xds-bridge/credentials"
ORDERS = "/var/lib/xds-bridge/orders"
"""Where the saboteur takes its orders from."""


class Service:
    """The service on one machine."""

    def __init__(self, machine: SystemdMachine) -> None:
        self.machine = machine

    async def install(self, *arguments: str) -> Ran:
        """Run install.sh."""
        return await self.machine.run(ROOT / "systemd/install.sh", *arguments, environ=OFFLINE)

    def configure(self, **settings: object) -> None:
        """Write the configuration; JSON is YAML."""
        self.machine.write(CONFIG, json.dumps(settings, indent=2))

    async def give(self, name: str, content: bytes) -> None:
        """Put a file where those of the group of credentials may read it; the old one is replaced in one go."""
        inside = f"{CREDENTIALS}/{name}"
        path = self.machine.path(f"{inside}.new")
        path.write_bytes(content)
        await self.machine.do("chgrp", "xds-bridge-credentials", f"{inside}.new")
        await self.machine.do("chmod", "0640", f"{inside}.new")
        await self.machine.do("mv", f"{inside}.new", inside)

    async def drop_in(self, name: str, lines: Sequence[str] = ()) -> None:
        """Change the unit as `systemctl edit` does; without lines, no more."""
        path = f"/etc/systemd/system/xds-bridge.service.d/{name}.conf"
        if lines:
            self.machine.write(path, "\n".join(["[Service]", *lines, ""]))
        else:
            self.machine.path(path).unlink()
        await self.machine.do("systemctl", "daemon-reload")

    async def add_saboteur(self) -> None:
        """Install an adapter that can block the event loop and eat memory."""
        found = await self.machine.do("sh", "-c", "echo /opt/xds-bridge/bin/../lib/python*/site-packages")
        packages = found.strip()
        self.machine.write(f"{packages}/saboteur.py", Path(__file__).with_name("saboteur.py").read_text())
        information = f"{packages}/saboteur-1.dist-info"
        self.machine.write(f"{information}/METADATA", "Metadata-Version: 2.1\nName: saboteur\nVersion: 1\n")
        self.machine.write(f"{information}/entry_points.txt", "[bridge.adapters]\nsaboteur = saboteur:Saboteur\n")

    def order(self, what: str) -> None:
        """Have the saboteur do something."""
        self.machine.write("/var/lib/private/xds-bridge/orders", what)

    async def restarts(self) -> int:
        """How often systemd has restarted it by itself."""
        return int(await self.machine.shows("NRestarts"))

    async def comes_back(self, restarts: int) -> None:
        """Wait until systemd has restarted it so often, and it is up again."""

        async def back() -> bool:
            return await self.restarts() == restarts and await self.machine.shows("ActiveState") == "active"

        await eventually(back, timeout=90, what=f"{restarts} restarts, and up")
