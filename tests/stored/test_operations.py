"""The patterns for operations that go outside hold against all operations that TensorFlow has."""

from __future__ import annotations

import re

from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

from jupyter_kf.stored import safety

_SAYS_SO = re.compile(
    r"file_?names?|file|file_pattern|.*_file|.*path|.*directory|logdir|log_dir.*|address|.*urls?"
)


def test_whatever_takes_a_file_or_an_address_is_asked_for() -> None:
    buffer = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    known = op_def_pb2.OpList.FromString(bytes(buffer)).op
    assert len(known) > 1000
    missed = [
        op.name
        for op in known
        if any(_SAYS_SO.fullmatch(each.name) for each in [*op.input_arg, *op.attr])
        and not safety.goes_outside(op.name)
        and not safety.calls_python(op.name)
    ]
    assert missed == []
