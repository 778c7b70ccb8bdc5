"""EC2 as a source: the instances that carry a tag `xds-service`, in any number of accounts and regions.

Split by what changes for one reason: what the operator writes (`config`), what AWS answers (`payload`), what that
means (`mapping`), what may be believed of it (`fleet`), what is asked when (`reader`, `condition`), and for whom
(`adapter`).
"""

from adapters.ec2.adapter import Ec2Adapter
from adapters.ec2.config import Config

__all__ = ["Config", "Ec2Adapter"]
