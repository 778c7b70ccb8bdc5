"""Regular expressions in time proportional to pattern and text: for patterns that come from a client.

Python's `re` tries possibilities one after the other, and a pattern of ten characters can keep it busy for hours, in
which nobody else is served. Here all possibilities advance together, a character at a time.
https://swtch.com/~rsc/regexp/regexp1.html
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LONGEST_TEXT = 1024
"""Characters; a longer text matches nothing."""

_MOST_STEPS = 1000
_DEEPEST = 32
_MOST_REPEATS = re.compile(r"\{(\d{1,3})(?:(,)(\d{1,3})?)?\}")
_SINGLE = re.compile(r"\\[dwsDWS]|\\[^A-Za-z0-9]|[^\\\[\](){}*+?|^$]")
_CLASS = re.compile(r"\[\^?(?:\\[dwsDWS]|\\[^A-Za-z0-9]|[^\\\[\]])+\]")
_SET_OPERATION = re.compile(r"--|&&|\|\||~~")

_Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Branch:
    """Go on at several places, relative to this step."""

    to: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Anchor:
    """Go on only where the text begins, or where it ends."""

    at_end: bool


_Step = _Test | _Branch | _Anchor
"""A test goes on at the next step if the next character passes it."""
_Steps = list[_Step]


class Pattern:
    r"""A regular expression that a whole text matches, or does not.

    Knows what RE2 and `re` have in common and people use: literals, `.`, classes, `\d`, `\w`, `\s` and their
    opposites, groups, alternatives, anchors, and every kind of repetition.

    Raises:
        ValueError: it is none, is too large, or uses something else; the message says where.
    """

    def __init__(self, text: str) -> None:
        self._steps: Sequence[_Step] = _Parser(text).parse()

    def matches(self, text: str) -> bool:
        """Whether the whole text is one that the expression describes."""
        if len(text) > LONGEST_TEXT:
            return False
        active = self._reached({0}, at_start=True, at_end=not text)
        for position, character in enumerate(text, 1):
            passed = {step + 1 for step in active if self._passes(step, character)}
            active = self._reached(passed, at_start=False, at_end=position == len(text))
        return len(self._steps) in active

    def _passes(self, number: int, character: str) -> bool:
        step = self._steps[number] if number < len(self._steps) else None
        return callable(step) and step(character)

    def _reached(self, numbers: set[int], *, at_start: bool, at_end: bool) -> set[int]:
        """The steps that can be reached from these without another character."""
        reached, waiting = set(numbers), list(numbers)
        while waiting:
            number = waiting.pop()
            step = self._steps[number] if number < len(self._steps) else None
            following: tuple[int, ...] = ()
            if isinstance(step, _Branch):
                following = tuple(number + offset for offset in step.to)
            elif isinstance(step, _Anchor) and (at_end if step.at_end else at_start):
                following = (number + 1,)
            waiting += set(following) - reached
            reached.update(following)
        return reached


class _Parser:
    """Turns an expression into steps; jumps are relative, so that steps can be put one behind the other."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0  # of what is read next
        self._depth = 0

    def parse(self) -> _Steps:
        steps = self._alternatives()
        if self._position < len(self._text):
            raise self._refusal("has nothing to end here")
        return steps

    def _alternatives(self) -> _Steps:
        choices = [self._sequence()]
        while self._take("|"):
            choices.append(self._sequence())
        *choices, steps = choices
        for choice in reversed(choices):
            steps = [_Branch((1, len(choice) + 2)), *choice, _Branch((len(steps) + 1,)), *steps]
            self._limit(steps)
        return steps

    def _sequence(self) -> _Steps:
        steps: _Steps = []
        while self._position < len(self._text) and self._text[self._position] not in "|)":
            steps += self._repeated(self._item())
            self._limit(steps)
        return steps

    def _item(self) -> _Steps:
        if self._take("("):
            return self._group()
        if self._take("^"):
            return [_Anchor(at_end=False)]
        if self._take("$"):
            return [_Anchor(at_end=True)]
        for form in (_CLASS, _SINGLE):
            if found := form.match(self._text, self._position):
                return [self._test(found.group())]
        raise self._refusal("is not understood here")

    def _test(self, form: str) -> _Test:
        """A class or a character, for which `re` takes one step: what it matches is not for us to spell out."""
        if form.startswith("[") and _SET_OPERATION.search(form):
            raise self._refusal("has a class that is not understood here")
        try:
            single = re.compile(form, re.ASCII)
        except re.error as error:
            raise self._refusal(f"has a class that is none ({error.msg}) here") from error
        self._position += len(form)
        return lambda character: single.fullmatch(character) is not None

    def _group(self) -> _Steps:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._refusal("has too many groups within each other, before here")
        self._take("?:")
        steps = self._alternatives()
        if not self._take(")"):
            raise self._refusal("has a group that does not end here")
        self._depth -= 1
        return steps

    def _repeated(self, steps: _Steps) -> _Steps:
        size = len(steps)
        optional = [_Branch((1, size + 1)), *steps]
        any_number = [_Branch((1, size + 2)), *steps, _Branch((-size - 1,))]
        if self._take("*"):
            repeated = any_number
        elif self._take("+"):
            repeated = [*steps, *any_number]
        elif self._take("?"):
            repeated = optional
        elif found := _MOST_REPEATS.match(self._text, self._position):
            repeated = self._counted(found, steps, optional, any_number)
        else:
            return steps
        self._take("?")  # as few as possible: which they are does not matter to whether there is a match
        return repeated

    def _counted(self, found: re.Match[str], steps: _Steps, optional: _Steps, any_number: _Steps) -> _Steps:
        self._position = found.end()
        least, open_ended = int(found[1]), bool(found[2]) and not found[3]
        most = int(found[3]) if found[3] else least
        if most < least:
            raise self._refusal("repeats fewer times at most than at least, before here")
        if (least + most + 1) * (len(steps) + 2) > _MOST_STEPS:
            raise self._refusal("is too large, counting repetitions, before here")
        return [*(steps * least), *(any_number if open_ended else optional * (most - least))]

    def _limit(self, steps: _Steps) -> None:
        if len(steps) > _MOST_STEPS:
            raise self._refusal("is too large, before here")

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._position):
            return False
        self._position += len(text)
        return True

    def _refusal(self, reason: str) -> ValueError:
        return ValueError(f"the expression {self._text[:200]!r} {reason}: {self._text[self._position :][:40]!r}")
