"""How the bridge is doing, in the one line that a service manager shows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """Numbers that cost nothing to find out."""

    waiting: tuple[str, ...]
    """The sources without which Envoys are not answered; empty when they are."""
    sources: int
    failing: tuple[str, ...]
    """Those that cannot be read now."""
    endpoints: int
    services: int
    streams: int
    held: int
    """Endpoints that the guard keeps."""
    paused: bool
    refused: str
    """Why the last reload came to nothing; empty if it did not."""

    def __str__(self) -> str:
        """What matters most comes first: the line is cut where the terminal ends."""
        parts = [f"waiting for {_listed(self.waiting)}; no Envoy is answered" if self.waiting else "answering Envoys"]
        if self.refused:
            parts.append(f"the last reload was refused ({self.refused})")
        if self.paused:
            parts.append("paused by an operator")
        if self.held:
            parts.append(f"{_number(self.held, 'endpoint')} held by the guard")
        if self.failing:
            parts.append(f"cannot read {_listed(self.failing)}")
        parts += [
            f"{self.sources - len(self.failing)} of {self.sources} sources fresh",
            f"{_number(self.endpoints, 'endpoint')} in {_number(self.services, 'service')}",
            _number(self.streams, "stream"),
        ]
        return "; ".join(parts)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
