"""Equal values have one form as JSON, so that their hashes can be compared anywhere."""

from __future__ import annotations

import hashlib

import pytest

from monitor.core.canonical import dump_canonical, hash_canonical


def test_there_is_one_form() -> None:
    assert (
        dump_canonical({"b": [1, True, None], "a": "Doña Ana"})
        == '{"a":"Doña Ana","b":[1,true,null]}'.encode()
    )
    assert dump_canonical({"b": 2, "a": 1}) == dump_canonical({"a": 1, "b": 2}) == b'{"a":1,"b":2}'


def test_a_hash_is_the_sha_256_of_that_form() -> None:
    assert hash_canonical({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_know_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_canonical([number])
