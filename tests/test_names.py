from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_kf import names
from jupyter_kf.errors import SpecError

DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")

# Texts that are apart by what a slug throws away are the ones that might collide.
alike = st.text(alphabet="aA1-_. éÉ—", max_size=70)
texts = st.one_of(st.text(), alike)


@pytest.mark.parametrize("text", ["a", "a1", "night-run", "a--b", "a" * names.JOB_LIMIT])
def test_valid_job_names(text):
    assert names.is_job_name(text)
    assert names.check_job_name(text) == text
    assert names.slug(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-a",
        "a-",
        "A",
        "a_b",
        "a.b",
        "a b",
        "a/b",
        "..",
        "1a",
        "7",
        "a\n",
        "é",
        "a" * (names.JOB_LIMIT + 1),
    ],
)
def test_invalid_job_names_are_refused_with_one_that_would_do(text):
    assert not names.is_job_name(text)
    with pytest.raises(SpecError) as caught:
        names.check_job_name(text)
    assert repr(text) in str(caught.value)
    proposed = re.search(r"for example '(.*)'", str(caught.value))
    assert proposed and names.is_job_name(proposed[1])


def test_the_longest_job_name_fits_with_its_largest_replica():
    longest = "a" * names.JOB_LIMIT

    assert len(names.replica_name(longest, 99_999)) == names.LABEL_LIMIT
    assert DNS_LABEL.fullmatch(names.replica_name(longest, 99_999))


@pytest.mark.parametrize(
    ("user", "stem"),
    [
        ("José María", "jose-maria"),
        ("李小龍", "x"),
        ("anna@example.org", "anna-example-org"),
        ("Anna", "anna"),
        ("2024", "x-2024"),
        ("-", "x"),
        ("", "x"),
    ],
)
def test_users_from_anywhere(user, stem):
    slug = names.slug(user)

    assert re.fullmatch(re.escape(stem) + r"--[0-9a-f]{8}", slug)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna", "anna"),
        ("a.b", "a-b"),
        ("jose", "josé"),
        ("josé", "jose\u0301"),
        ("x" * 80, "x" * 81),
        ("李", "龍"),
        (names.slug("Anna"), "Anna"),
        (names.slug(names.slug("Anna")), names.slug("Anna")),
    ],
)
def test_names_that_look_alike_stay_apart(one, other):
    assert names.slug(one) != names.slug(other)
    assert names.label_value(one) != names.label_value(other)


@given(texts, st.integers(20, 63))
def test_a_slug_is_always_a_label(text, limit):
    slug = names.slug(text, limit)

    assert len(slug) <= limit
    assert DNS_LABEL.fullmatch(slug)


@given(texts, texts)
def test_slugs_and_label_values_are_injective(one, other):
    assert (names.slug(one) == names.slug(other)) == (one == other)
    assert (names.label_value(one) == names.label_value(other)) == (one == other)


@given(texts)
def test_a_slug_is_never_the_slug_of_itself(text):
    slug = names.slug(text)

    assert slug == text or names.slug(slug) != slug


@given(texts)
def test_a_label_value_is_always_valid(text):
    value = names.label_value(text)

    assert len(value) <= names.LABEL_LIMIT
    assert LABEL_VALUE.fullmatch(value)


@pytest.mark.parametrize("text", ["", "A", "a_b.c", "7", "v" * 63])
def test_a_valid_label_value_stays_as_it_is(text):
    assert names.label_value(text) == text


@given(texts)
def test_new_job_names_are_valid(stem):
    assert names.is_job_name(names.new_job_name(stem))


def test_new_job_names_are_fresh_and_tell_their_stem():
    made = {names.new_job_name("train") for _ in range(100)}

    assert len(made) == 100
    assert all(name.startswith("train-") for name in made)


def test_label_keys_have_our_prefix():
    assert names.label_key("job") == "jupyter-kf/job"
