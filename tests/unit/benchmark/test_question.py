"""The benchmark of the admin server asks for everything that this answers."""

import re

import pytest
from aiohttp import hdrs

from benchmark import question
from support.admin_bench import Bench


def test_every_route_is_measured() -> None:
    served = Bench().server()._network.app.router

    answered = {
        str(each.resource.canonical) for each in served.routes() if each.method == hdrs.METH_GET and each.resource
    }

    assert set(question.ROUTES) == answered


@pytest.mark.parametrize("route", question.ROUTES)
def test_what_is_asked_for_is_of_the_route_beside_which_it_stands(route: str) -> None:
    pattern = re.sub(r"\\\{\w+\\\}", "[^/?]+", re.escape(route))

    asked = question.ROUTES[route]

    assert asked
    assert all(re.fullmatch(rf"{pattern}(\?.*)?", path) for path in asked)


@pytest.mark.parametrize("world", [question.MANY, question.LARGE], ids=str)
def test_the_worlds_have_as_many_endpoints_as_the_budget_is_for(world: question.World) -> None:
    assert world.services * world.endpoints == 10_000
    assert len(set(world.paths)) == len(world.paths)
