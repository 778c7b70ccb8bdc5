"""Has parliament look over policies of IAM: `python lint_policies.py < POLICIES`.

Run in the environment of `requirements/audit.lock`. The policies are a JSON object, by any name; what is wrong with
each is printed, such as an action that AWS does not have.
"""

import json
import sys

from parliament import analyze_policy_string

ELSEWHERE = frozenset({"RESOURCE_STAR"})
"""Not said: clusters are named by a condition, which parliament does not count as naming what an action is for."""


def main() -> None:
    found: dict[str, list[str]] = {}
    for name, policy in json.load(sys.stdin).items():
        for finding in analyze_policy_string(json.dumps(policy)).findings:
            if finding.issue in ELSEWHERE:
                continue
            found.setdefault(name, []).append(f"{finding.issue}: {finding.detail}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
