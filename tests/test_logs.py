from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kf.logs import MARK, LogReader, as_text, encode, read

RECORDS = [
    {"kind": "begin"},
    {"kind": "stderr", "text": "50%|█████     |\r"},
    {"kind": "display", "data": {"text/plain": "<Figure>"}, "metadata": {}, "transient": {}, "update": False},
    {"kind": "result", "data": {"text/plain": "'a\\nb'"}, "metadata": {}},
    {"kind": "metrics", "event": "epoch", "epoch": 1, "values": {"loss": 0.25}, "time": 1.0},
    {"kind": "note", "text": "every rank computes the whole batch"},
    {"kind": "clear", "wait": True},
    {"kind": "end"},
    {"kind": "of a newer version", "x": [1, None]},
]

plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
noise = st.sampled_from(
    [f"{MARK}\n", f"{MARK}{{\n", f"{MARK}3\n", f'{MARK}{{"kind": 1}}\n', MARK, "\n", "é€😀"]
)
parts = st.lists(
    st.one_of(
        plain.map(str.encode),
        noise.map(str.encode),
        st.sampled_from(RECORDS).map(encode),
        st.binary(max_size=8),
    ),
    max_size=12,
)


def _joined(items):
    """Join neighbouring texts: where text is cut is not part of the grammar."""
    joined: list = []
    for item in items:
        if isinstance(item, str) and joined and isinstance(joined[-1], str):
            joined[-1] += item
        else:
            joined.append(item)
    return joined


def _in_pieces(log: bytes, cuts: list[int]) -> list:
    reader, items, start = LogReader(), [], 0
    for cut in sorted(min(c, len(log)) for c in cuts):
        items += reader.feed(log[start:cut])
        start = cut
    items += reader.feed(log[start:])
    return items + list(reader.feed(b"", final=True))


@given(parts, st.lists(st.integers(0, 400), max_size=20))
def test_any_cut_of_any_log_gives_the_same(parts, cuts):
    log = b"".join(parts)

    assert _joined(_in_pieces(log, cuts)) == _joined(read(log))


@given(parts)
def test_byte_by_byte_gives_the_same(parts):
    log = b"".join(parts)

    assert _joined(_in_pieces(log, list(range(len(log))))) == _joined(read(log))


@given(
    st.lists(st.one_of(plain.filter(lambda t: t and MARK not in t), st.sampled_from(RECORDS)), max_size=12)
)
def test_what_was_written_is_read(items):
    log = b"".join(encode(item) if isinstance(item, dict) else item.encode() for item in items)

    assert read(log) == _joined(items)


@given(st.dictionaries(plain, st.none() | st.booleans() | st.integers() | plain), plain)
def test_a_record_is_one_line_that_starts_with_the_mark(values, text):
    data = encode({**values, "kind": "stderr", "text": text})

    assert data.startswith(MARK.encode())
    assert data.endswith(b"\n")
    assert data.count(MARK.encode()) == 1
    assert data.count(b"\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "3",
        "[]",
        "{}",
        '{"kind": 3}',
        '{"kind": ["stderr"]}',
        '{"kind": "stderr"}',
        '{"kind": "stderr", "text": 3}',
        '{"kind": "stdout", "text": null}',
        '{"kind": "display", "data": "x", "metadata": {}}',
        '{"kind": "result", "data": {}}',
        '{"kind": "metrics"}',
        '{"kind": "clear", "wait": "yes"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_record_is_the_text_that_it_is(line):
    assert read(f"a{MARK}{line}\nb".encode()) == ["a", f"{MARK}{line}\n", "b"]


def test_a_record_that_was_never_ended_is_text_at_the_end():
    reader = LogReader()

    assert list(reader.feed(encode({"kind": "end"})[:-1])) == []
    assert list(reader.feed(b"", final=True)) == [f'{MARK}{{"kind": "end"}}']


def test_text_is_given_out_at_once():
    reader = LogReader()

    assert list(reader.feed(b" 1/10\r")) == [" 1/10\r"]
    assert list(reader.feed(b" 2/10\r")) == [" 2/10\r"]


def test_a_character_that_is_cut_in_the_middle_is_whole():
    euro = "€".encode()
    reader = LogReader()

    assert list(reader.feed(b"1 " + euro[:1])) == ["1 "]
    assert list(reader.feed(euro[1:2])) == []
    assert list(reader.feed(euro[2:] + b"!")) == ["€!"]


def test_bytes_that_are_no_text_are_replaced_not_refused():
    assert read(b"a\xff\xfeb") == ["a\ufffd\ufffdb"]
    assert read(b"a\xe2\x82") == ["a\ufffd"]


def test_lone_surrogates_and_odd_values_can_be_written():
    [record] = read(encode({"kind": "stderr", "text": "\ud800", "path": object}))

    assert record == {"kind": "stderr", "text": "?", "path": "<class 'object'>"}


def test_text_with_a_mark_of_its_own_comes_back_as_text():
    text = f'{MARK}{{"kind": "end"}}\n'

    assert read(encode({"kind": "stdout", "text": text})) == [text]


def test_a_log_for_people():
    log = b"".join(map(encode, RECORDS)) + b"done\n"

    assert as_text(read(log)) == (
        "50%|█████     |\r<Figure>\n'a\\nb'\nnote: every rank computes the whole batch\ndone\n"
    )


def test_a_display_without_plain_text_is_an_empty_line():
    record = {"kind": "display", "data": {"text/html": "<b>"}, "metadata": {}}

    assert as_text(read(encode(record))) == "\n"
    assert json.loads(encode(record)[1:]) == record
