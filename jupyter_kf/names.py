"""Names that are valid wherever a job may run, and that never collide.

A job's name is also a folder, a Kubernetes object, the name of its Service and, with a replica's
index behind it, a host name: a DNS label of at most 63 characters that starts with a letter, as
Services want it (RFC 1035). Pure functions only.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata

from .errors import SpecError

LABEL_PREFIX = "jupyter-kf"
LABEL_LIMIT = 63
# "-" and a replica's index of up to five digits still fit behind the longest job name.
JOB_LIMIT = LABEL_LIMIT - 6
# The cluster appends "-" and ten digits to a schedule's name for each time that it comes round.
SCHEDULE_LIMIT = LABEL_LIMIT - 11
_HASH = 8

_DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_SHORTENED = re.compile(rf".*--[0-9a-f]{{{_HASH}}}")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?")
_ALPHABET = "bcdfghjkmnpqrstvwxz23456789"


def is_job_name(text: str) -> bool:
    """Tell whether ``text`` can stand as a job's name as it is."""
    return len(text) <= JOB_LIMIT and _DNS_LABEL.fullmatch(text) is not None


def check_job_name(text: str) -> str:
    """Give ``text`` back if it is a valid job name, else raise `SpecError` with one that would be."""
    if is_job_name(text):
        return text
    raise SpecError(
        f"{text!r} cannot be a job's name: use at most {JOB_LIMIT} of a-z, 0-9 and '-', a letter "
        f"first and a letter or digit last, for example {slug(text)!r}."
    )


def check_schedule_name(text: str) -> str:
    """Give ``text`` back if it is a valid schedule name, else raise `SpecError` with one that is."""
    if len(text) <= SCHEDULE_LIMIT and _DNS_LABEL.fullmatch(text):
        return text
    raise SpecError(
        f"{text!r} cannot be a schedule's name: use at most {SCHEDULE_LIMIT} of a-z, 0-9 and '-', a letter "
        f"first and a letter or digit last, for example {slug(text, SCHEDULE_LIMIT)!r}."
    )


def slug(text: str, limit: int = JOB_LIMIT) -> str:
    """Make a DNS label of any text; two texts give the same label only if their digests collide.

    A text that is a label already stays as it is, unless it could be taken for a shortened one;
    everything else ends with ``--`` and a digest of the whole text.
    """
    if len(text) <= limit and _DNS_LABEL.fullmatch(text) and not _SHORTENED.fullmatch(text):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not stem[:1].isalpha():
        stem = f"x-{stem}".rstrip("-")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{stem[: limit - _HASH - 2].rstrip('-')}--{digest}"


def new_job_name(stem: str = "job") -> str:
    """Make a fresh job name that starts with ``stem``."""
    head = slug(stem, JOB_LIMIT - 6)
    return f"{head}-{''.join(secrets.choice(_ALPHABET) for _ in range(5))}"


def replica_name(job: str, index: int) -> str:
    """Name one replica of a job: what an Indexed Job calls its pod's host."""
    return f"{job}-{index}"


def label_key(name: str) -> str:
    """Give the full key of one of our labels or annotations."""
    return f"{LABEL_PREFIX}/{name}"


def label_value(text: str) -> str:
    """Make a valid label value of any text: itself where it is valid, else a slug of it.

    As with `slug`, only texts whose digests collide give the same value.
    """
    if len(text) <= LABEL_LIMIT and _LABEL_VALUE.fullmatch(text) and not _SHORTENED.fullmatch(text):
        return text
    return slug(text, LABEL_LIMIT)
