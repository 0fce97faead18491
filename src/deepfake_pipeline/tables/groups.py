"""Groups: what must not leak between splits, as connected components."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def connected_components(edges: Iterable[tuple[str, str]], nodes: Iterable[str] = ()) -> dict[str, str]:
    """Name each node by the smallest member of its connected component.

    Args:
        edges: pairs of nodes that belong together.
        nodes: nodes that may stand alone.
    """
    parent = {node: node for node in nodes}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for left, right in edges:
        a, b = sorted((root(left), root(right)))
        parent[b] = a
    return {node: root(node) for node in parent}


def group_names(memberships: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Group of each sample, from what each belongs to (its source video, its identities).

    Two samples that share one membership, directly or through others, get the same group, named by
    the smallest membership in it.
    """
    edges = [(tags[0], tag) for tags in memberships.values() for tag in tags]
    names = connected_components(edges)
    return {sample: names[tags[0]] for sample, tags in memberships.items()}
