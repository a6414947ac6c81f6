"""Random graphs of objects, with cycles and aliases, come back changed and are the same objects."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_kf.capture import pack, unpack


class Node:
    """An ordinary object."""


MAKERS = (list, dict, Node)
ATOMS = (0, "text", None, 2.5, (1, "a"))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Any], list[tuple[int, int, int]]]:
    """Some bare objects and the edges to draw between them: (from, place, to); beyond the objects: atoms."""
    size = draw(st.integers(1, 8))
    kinds = draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    edge = st.tuples(st.integers(0, size - 1), st.integers(0, 4), st.integers(0, size + len(ATOMS) - 1))
    return [MAKERS[kind]() for kind in kinds], draw(st.lists(edge, max_size=25))


def connect(objects: list[Any], edges: list[tuple[int, int, int]]) -> None:
    """Draw the edges; in a list an edge to an even place takes the last item away first."""
    everything = [*objects, *ATOMS]
    for start, place, end in edges:
        holder, value = objects[start], everything[end]
        if isinstance(holder, list):
            if holder and place % 2 == 0:
                holder.pop()
            holder.append(value)
        elif isinstance(holder, dict):
            holder[place] = value
        else:
            setattr(holder, f"a{place}", value)


def shape(objects: list[Any]) -> list[Any]:
    """What each object holds, other objects by their place among all."""
    places = {id(obj): place for place, obj in enumerate(objects)}

    def named(value: Any) -> Any:
        return ("object", places[id(value)]) if id(value) in places else value

    found: list[Any] = []
    for obj in objects:
        if isinstance(obj, list):
            found.append([named(value) for value in obj])
        else:
            held = obj if isinstance(obj, dict) else vars(obj)
            found.append([(key, named(value)) for key, value in held.items()])
    return found


@settings(max_examples=150, deadline=None)
@given(graphs(), st.data())
def test_graphs_come_back_changed_and_the_same(
    graph: tuple[list[Any], list[tuple[int, int, int]]], data: st.DataObject
) -> None:
    objects, edges = graph
    connect(objects, edges)
    before = shape(objects)
    _, changes = data.draw(graphs())
    changes = [(a % len(objects), place, b % (len(objects) + len(ATOMS))) for a, place, b in changes]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        captured = pack({"objects": objects}, folder)
        arrival = unpack(folder, {})
        there = arrival.value["objects"]
        assert shape(there) == before
        assert not {map(id, objects)} & {map(id, there)}
        connect(there, changes)
        arrival.reply(there, folder / "out")
        ids = list(map(id, objects))
        back = captured.apply(folder / "out")
    assert back is objects and list(map(id, back)) == ids
    assert shape(objects) == shape(there)
    assert captured.changed() == [] or before != shape(objects)


@settings(max_examples=50, deadline=None)
@given(graphs())
def test_what_did_not_change_is_not_sent(graph: tuple[list[Any], list[tuple[int, int, int]]]) -> None:
    objects, edges = graph
    connect(objects, edges)
    with tempfile.TemporaryDirectory() as name:
        pack({"objects": objects}, Path(name))
        arrival = unpack(Path(name), {})
        assert arrival._snapshot.changed() == []
