"""What the Grafana dashboard shows: rows of panels, each with its queries. `scripts/dashboard.py` writes them down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """An expression, and what its series are called."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture of some queries."""

    title: str
    queries: Sequence[Query]
    meaning: str
    """Shown beside the title."""
    unit: str = "short"
    kind: str = "timeseries"
    """`timeseries`, `stat`, `heatmap` or `table`."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the grid."""
        return (4, 4) if self.kind == "stat" else (8, 8)


def metric(name: str, labels: str = "", window: str = "") -> str:
    """A metric of the bridges that are chosen above the dashboard, or its samples within a window."""
    chosen = ",".join(['instance=~"$instance"', *([labels] if labels else [])])
    return f"{name}{{{chosen}}}" + (f"[{window}]" if window else "")


def ours(name: str, labels: str = "", window: str = "") -> str:
    """One of the bridge's own."""
    return metric(f"xds_bridge_{name}", labels, window)


def rate(name: str, by: str, labels: str = "") -> str:
    """How often something happens per second."""
    return f"sum by ({by}) (rate({ours(name, labels, '$__rate_interval')}))"


def quantile(share: float, name: str, by: str = "instance", labels: str = "") -> str:
    """The value that so large a share of the observations stays below."""
    return f"histogram_quantile({share}, {rate(f'{name}_bucket', f'{by}, le', labels)})"


def both(name: str, by: str = "instance") -> list[Query]:
    """The middle and the slowest hundredth of a histogram."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return [Query(quantile(share, name, by), f"p{share * 100:g} {legend}") for share in (0.5, 0.99)]


WAITING = f"max by (instance) ({ours('xds_unacked_clients')} + {ours('xds_rejecting_clients')})"
AGE = f"time() - ({ours('source_last_success_timestamp_seconds')} > 0)"

HEALTHY = 'health="healthy"'
JOB = 'job="xds-bridge"'

OVERVIEW = (
    Panel("Ready", [Query(f"min({ours('ready')})")], "1 when every bridge answers Envoys.", kind="stat"),
    Panel(
        "Sources up",
        [Query(f"avg({ours('source_up')})")],
        "Share of the sources of which nothing fails now.",
        "percentunit",
        "stat",
    ),
    Panel("Oldest source", [Query(f"max({AGE})")], "Age of what was read the longest ago.", "s", "stat"),
    Panel(
        "Healthy endpoints",
        [Query(f"max(sum by (instance) ({ours('registry_endpoints', HEALTHY)}))")],
        "Endpoints served as healthy.",
        kind="stat",
    ),
    Panel(
        "Envoys in sync",
        [Query(f"1 - sum({WAITING}) / sum({ours('xds_clients')})")],
        "Share of the Envoys that have accepted all that they were sent.",
        "percentunit",
        "stat",
    ),
    Panel(
        "Propagation p99",
        [Query(f"max({quantile(0.99, 'propagation_seconds')})")],
        "From the read that brought a change to the last Envoy's ACK.",
        "s",
        "stat",
    ),
)
SOURCES = (
    Panel(
        "Up",
        [
            Query(
                f"{ours('source_up')} * on (instance, source) group_left (type) {ours('source_info')}",
                "{{source}} ({{type}})",
            )
        ],
        "1 while a source has been read and nothing of it fails.",
    ),
    Panel("Age", [Query(AGE, "{{source}}")], "Since the read that succeeded the longest ago.", "s"),
    Panel(
        "Reads that fail",
        [Query(rate("source_reads_total", "source, result", 'result!="ok"'), "{{source}} {{result}}")],
        "Failed reads per second by what kept them.",
        "ops",
    ),
    Panel(
        "API calls",
        [Query(rate("source_api_requests_total", "source, operation, code"), "{{source}} {{operation}} {{code}}")],
        "Calls per second.",
        "reqps",
    ),
    Panel(
        "Duration of API calls",
        [Query(quantile(0.99, "source_api_request_duration_seconds", "source, operation"), "{{source}} {{operation}}")],
        "p99; a blocking query waits on purpose.",
        "s",
    ),
    Panel("Duration of passes", both("source_poll_duration_seconds", "source"), "Of sources that poll.", "s"),
    Panel(
        "Interval",
        [
            Query(ours("source_poll_interval_seconds"), "{{source}} {{place}}"),
            Query(ours("source_poll_configured_interval_seconds"), "{{source}} {{place}} configured"),
        ],
        "Longer than configured while throttled or beyond the budget.",
        "s",
    ),
    Panel(
        "Endpoints reported",
        [Query(f"sum by (instance, source) ({ours('source_endpoints')})", "{{source}}")],
        "What each source says, before sources are merged.",
    ),
    Panel(
        "Set aside",
        [Query(ours("source_set_aside_endpoints"), "{{source}}")],
        "Entries that cannot be served; `xds-bridge services` leads to the reason.",
    ),
)
REGISTRY = (
    Panel("Endpoints", [Query(ours("registry_endpoints"), "{{health}}")], "Endpoints served, by health."),
    Panel(
        "Changes",
        [Query(rate("registry_changes_total", "kind"), "{{kind}}")],
        "Endpoints added, changed and removed per second.",
        "ops",
    ),
    Panel(
        "Services",
        [
            Query(ours("registry_services"), "all"),
            Query(ours("registry_empty_services"), "empty"),
            Query(f"sum by (instance) ({ours('registry_diverted_services')})", "diverted"),
            Query(ours("registry_disputed_services"), "disputed"),
        ],
        "All of them, and those that are odd.",
    ),
    Panel(
        "Held",
        [Query(f"sum by (source, reason) ({ours('source_held_endpoints')})", "{{source}} {{reason}}")],
        "Served although reads lack them; `xds-bridge guard list`.",
    ),
    Panel(
        "Guard trips",
        [Query(f"sum by (source, reason) (increase({ours('guard_trips_total', '', '1h')}))", "{{source}} {{reason}}")],
        "Times within an hour that holding began.",
    ),
    Panel(
        "By hand, and from before",
        [
            Query(ours("operator_drains"), "drained"),
            Query(f"sum by (instance) ({ours('source_paused')})", "sources paused"),
            Query(f"sum by (instance) ({ours('source_restored_endpoints')})", "restored"),
        ],
        "What operators hold, and what is known from an earlier process alone.",
    ),
    Panel(
        "Services with the fewest healthy endpoints",
        [Query(f"bottomk(10, {ours('service_endpoints', HEALTHY)})", "{{service}}")],
        "Empty where `metrics.per_service` is off, or `auto` beyond 500 services.",
    ),
)
XDS = (
    Panel("Envoys", [Query(ours("xds_clients"), "{{instance}}")], "Clients with an open stream, by node."),
    Panel(
        "Streams",
        [
            Query(ours("xds_streams"), "{{transport}} {{kind}}"),
            Query(rate("xds_streams_opened_total", "instance"), "opened per second"),
        ],
        "Open streams, and how fast new ones come.",
    ),
    Panel("Pushes", [Query(rate("xds_pushes_total", "type"), "{{type}}")], "Responses per second.", "ops"),
    Panel(
        "ACK and NACK",
        [
            Query(rate("xds_acks_total", "type"), "ACK {{type}}"),
            Query(rate("xds_nacks_total", "type"), "NACK {{type}}"),
            Query(rate("xds_unanswered_total", "type"), "no answer {{type}}"),
        ],
        "Answers of Envoys per second.",
        "ops",
    ),
    Panel(
        "Rejecting and late",
        [
            Query(ours("xds_rejecting_clients"), "rejecting {{type}}"),
            Query(ours("xds_unacked_clients"), "not answered {{type}}"),
        ],
        "Envoys by what they have not accepted.",
    ),
    Panel(
        "Oldest unanswered", [Query(ours("xds_oldest_unacked_seconds"), "{{type}}")], "Age of the oldest response.", "s"
    ),
    Panel("Propagation", both("propagation_seconds", "source"), "From the read to the last Envoy's ACK.", "s"),
    Panel(
        "Where the time goes",
        [
            Query(quantile(0.99, "debounce_seconds"), "debounce and build"),
            Query(quantile(0.99, "push_queue_seconds"), "push queue"),
            Query(quantile(0.99, "xds_ack_seconds", "type"), "ACK {{type}}"),
        ],
        "p99 of each step of a change.",
        "s",
    ),
    Panel(
        "Size of responses",
        [Query(f"sum by (le) (increase({ours('xds_push_bytes_bucket', '', '$__rate_interval')}))", "{{le}}")],
        "How many responses were how large.",
        "bytes",
        "heatmap",
    ),
    Panel(
        "Refused",
        [Query(rate("xds_streams_refused_total", "reason"), "{{reason}}")],
        "Clients that were not served.",
        "ops",
    ),
)

RUNTIME = (
    Panel(
        "CPU",
        [Query(f"rate({metric('process_cpu_seconds_total', JOB, '$__rate_interval')})", "{{instance}}")],
        "Cores in use.",
    ),
    Panel("Memory", [Query(metric("process_resident_memory_bytes", JOB), "{{instance}}")], "Resident.", "bytes"),
    Panel(
        "File descriptors",
        [
            Query(metric("process_open_fds", JOB), "{{instance}}"),
            Query(metric("process_max_fds", JOB), "limit {{instance}}"),
        ],
        "Open ones, and how many there may be.",
    ),
    Panel("Lag of the event loop", both("event_loop_lag_seconds"), "How late timers run.", "s"),
    Panel(
        "Garbage collections",
        [
            Query(
                f"sum by (generation) (rate({metric('python_gc_collections_total', JOB, '$__rate_interval')}))",
                "{{generation}}",
            )
        ],
        "Per second.",
        "ops",
    ),
    Panel(
        "Writes of the state that failed",
        [Query(f"increase({ours('snapshot_write_errors_total', '', '1h')})", "{{instance}}")],
        "Within an hour.",
    ),
)
VERSIONS = (
    Panel("Versions", [Query(ours("build_info"))], "Of the bridge and of what it runs on.", kind="table"),
    Panel(
        "Configuration",
        [
            Query(ours("config_last_reload_successful"), "in use {{instance}}"),
            Query(f"time() - {ours('config_last_reload_success_timestamp_seconds')}", "age {{instance}}"),
        ],
        "Whether the file that was read last is in use, and for how long.",
    ),
    Panel(
        "Replicas",
        [Query(ours("peer_up"), "{{peer}} answers"), Query(ours("peer_differs"), "{{peer}} differs")],
        "The other replicas, as each bridge sees them (`admin.peers`).",
    ),
    Panel(
        "Certificates",
        [Query(f"{ours('tls_certificate_expiry_timestamp_seconds')} - time()", "{{role}} {{instance}}")],
        "Until they end (`xds.tls`).",
        "s",
    ),
)
ROWS: Mapping[str, Sequence[Panel]] = {
    "Overview": OVERVIEW,
    "Sources": SOURCES,
    "Registry and guard": REGISTRY,
    "xDS": XDS,
    "Runtime": RUNTIME,
    "Versions and configuration": VERSIONS,
}
