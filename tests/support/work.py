"""Work counted, not timed: what a call executes is the same on every machine and under every load."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any  # a trace function is given whatever its event brings


def instructions(work: Callable[[], object]) -> int:
    """Bytecode instructions executed by `work`; what it does within a call into C counts as one."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401 (the signature that Python gives it)
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
