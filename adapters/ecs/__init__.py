"""Amazon ECS as a source: the containers of running tasks, wherever and however they run.

Split by what changes for one reason: what the operator writes (`config`), what AWS says (`payload`, `client`), what
that means (`lifecycle`, `address`, `labels`, `mapping`), what may be believed of it (`book`), what is remembered
(`lookup`), and what is asked when (`cluster`, `adapter`).
"""

from adapters.ecs.adapter import EcsAdapter
from adapters.ecs.config import Config

__all__ = ["Config", "EcsAdapter"]
