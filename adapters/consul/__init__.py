"""Consul as a source: the healthy, and the less healthy, instances of the services in one datacenter's catalog.

Split by what changes for one reason: what the operator writes (`config`), how bytes travel (`transport`, `agent`,
`client`), what an answer says (`payload`, `mapping`), what may be believed of it (`book`), and when to ask (`follower`,
`aggregate`).
"""

from adapters.consul.adapter import ConsulAdapter
from adapters.consul.config import Config

__all__ = ["Config", "ConsulAdapter"]
