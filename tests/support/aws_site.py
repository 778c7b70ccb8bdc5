"""Something of everything in moto, for tests of both sources in AWS together."""

from support.ec2 import MotoFleet
from support.ecs import container
from support.ecs_moto import MotoEcs


def populate(url: str) -> None:
    """A container on its own interface, one on a host, and a tagged instance of a group."""
    ecs = MotoEcs(url)
    ecs.ecs.create_cluster(clusterName="prod")
    ecs.host()
    ports = {"portMappings": [{"containerPort": 8080}], "dockerLabels": {"xds-service": "web"}}
    bound = [{"bindIP": "0.0.0.0", "containerPort": 8080, "hostPort": 32768, "protocol": "tcp"}]
    ecs.run(ecs.define("web", {"name": "app", **ports}), container())
    ecs.run(ecs.define("db", {"name": "app", **ports}, mode="bridge"), container(bindings=bound), launchType="EC2")
    MotoFleet(url).launch({"xds-service": "web:80", "aws:autoscaling:groupName": "web"})
