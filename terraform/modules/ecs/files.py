"""Writes the configuration of a task where the bridge reads it: what is in FILES, and the secrets that SECRETS name."""

import json
import os
from pathlib import Path

FOLDER = Path("/etc/xds-bridge")

texts = json.loads(os.environ["FILES"])
texts |= {name: os.environ[variable] for name, variable in json.loads(os.environ["SECRETS"]).items()}
for name, text in texts.items():
    file = FOLDER / name
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600)
