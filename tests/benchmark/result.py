"""What the load client measured in one run, as it prints it (`load/report.go`). Times are in milliseconds."""

from pydantic import BaseModel


class Distribution(BaseModel):
    """Percentiles."""

    p50: float
    p99: float
    max: float


class Cost(BaseModel):
    """What a phase took."""

    seconds: float
    server_cpu_s: float
    client_cpu_s: float
    other_cpu_s: float
    """Of everything else on the machine."""


class Storm(Cost):
    """All Envoys connect at once."""

    all_warm_ms: float
    stream_ms: Distribution


class Control(BaseModel):
    """Changes seen by an Envoy that was there before the others connected, while they did."""

    touches: int
    update_ms: Distribution


class Touch(Cost):
    """Changes made one after another, or at a steady rate."""

    touches: int
    update_ms: Distribution
    all_streams_ms: Distribution
    messages_per_stream_and_touch: float
    bytes_per_stream_and_touch: float
    server_cpu_ms_per_touch: float
    first_quarter_rss_mb: float = 0.0
    last_quarter_rss_mb: float = 0.0


class Memory(BaseModel):
    """Resident memory of the server, in units of 2^20 bytes."""

    before: float
    warm: float
    after: float
    peak: float


class Result(BaseModel):
    """One run."""

    streams: int
    clusters: int
    storm: Storm | None = None
    control: Control | None = None
    touch: Touch | None = None
    steady: Touch | None = None
    idle: Cost | None = None
    rss_mb: Memory
    consistent: bool
    errors: list[str] | None

    @property
    def disturbance(self) -> float:
        """CPU time of everything else on the machine, as a share of what server and client used; of the worst phase."""
        phases = [phase for phase in (self.storm, self.touch, self.steady) if phase]
        return max(
            (phase.other_cpu_s / max(phase.server_cpu_s + phase.client_cpu_s, 1.0) for phase in phases), default=0
        )
