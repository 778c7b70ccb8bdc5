"""What a service manager such as systemd is told: up, how it does, that it moves, reloading, ending (sd_notify(3))."""

from bridge.notify.condition import Condition
from bridge.notify.herald import Herald
from bridge.notify.sd_notify import ServiceManager

__all__ = ["Condition", "Herald", "ServiceManager"]
