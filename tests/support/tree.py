"""JSON as a tree, looked into by path."""


def at(tree: object, *path: str | int) -> object:
    """The part of a tree at a path; the test fails when there is none."""
    for part in path:
        assert isinstance(tree, dict | list)
        tree = tree[part]  # type: ignore[index]  # a key of a dict or an index of a list
    return tree
