"""Test read-only mappings."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

import pytest

from libstore.readonly import ReadOnlyDict, no_pairs, read_only
from libstore.values import ContainerInfo, ObjectInfo, Part

CHANGES: dict[str, Callable[[Any], object]] = {
    "set": lambda mapping: mapping.__setitem__("a", 2),
    "delete": lambda mapping: mapping.__delitem__("a"),
    "update": lambda mapping: mapping.update(a=2),
    "|=": lambda mapping: mapping.__ior__({"a": 2}),
    "setdefault": lambda mapping: mapping.setdefault("b", 2),
    "pop": lambda mapping: mapping.pop("a"),
    "popitem": lambda mapping: mapping.popitem(),
    "clear": lambda mapping: mapping.clear(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("pairs", [{"a": 1}, {}], ids=["one pair", "empty"])
def test_changes_are_refused(change: str, pairs: dict[str, int]) -> None:
    mapping = read_only(pairs)

    with pytest.raises(TypeError, match="read-only"):
        CHANGES[change](mapping)

    assert pairs == mapping
    assert {} == no_pairs()


def test_nested_mappings_and_lists_are_read_only_too() -> None:
    given = {"tags": {"a": ["x", {"b": "1"}]}, "plain": "text"}
    mapping: Any = read_only(given)
    given["tags"] = {}

    assert {"tags": {"a": ("x", {"b": "1"})}, "plain": "text"} == mapping
    with pytest.raises(TypeError):
        mapping["tags"]["a"][1]["b"] = "2"
    with pytest.raises(TypeError):
        mapping["tags"]["c"] = 1
    assert '{"tags": {"a": ["x", {"b": "1"}]}, "plain": "text"}' == json.dumps(mapping)


@pytest.mark.parametrize(
    "clone",
    [copy.copy, copy.deepcopy, lambda mapping: pickle.loads(pickle.dumps(mapping))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_and_pickles_are_equal_and_read_only(clone: Callable[[Any], Any]) -> None:
    mapping = read_only({"a": {"b": "c"}})
    again = clone(mapping)

    assert mapping == again
    assert ReadOnlyDict is type(again) is type(again["a"])


def test_union_and_copy_return_a_plain_dictionary() -> None:
    mapping = read_only({"a": 1})

    for made in (dict(mapping), mapping.copy(), mapping | {"b": 2}, {"b": 2} | mapping):
        assert dict is type(made)
        made["c"] = 3
    assert {"a": 1, "b": 0} == {"b": 0} | mapping
    assert {"a": 1} == mapping


def test_any_mapping_can_be_frozen() -> None:
    mapping = read_only(MappingProxyType({"a": 1}))

    assert {"a": 1} == mapping
    assert read_only(mapping) is mapping


@pytest.mark.parametrize(
    ("make", "label"),
    [
        (lambda pairs: ObjectInfo("a", metadata=pairs), "metadata"),
        (lambda pairs: ObjectInfo("a", checksums=pairs), "checksums"),
        (lambda pairs: ObjectInfo("a", extra=pairs), "extra"),
        (lambda pairs: ContainerInfo("a", extra=pairs), "extra"),
        (lambda pairs: Part(1, 0, 1, checksums=pairs), "checksums"),
        (lambda pairs: replace(ObjectInfo("a"), metadata=pairs), "metadata"),
        (lambda pairs: copy.deepcopy(ObjectInfo("a", extra=pairs)), "extra"),
        (lambda pairs: pickle.loads(pickle.dumps(ObjectInfo("a", extra=pairs))), "extra"),
    ],
)
def test_records_keep_read_only_copies(make: Callable[[Any], Any], label: str) -> None:
    given = {"md5": "1"}
    record = make(given)
    given["md5"] = "2"

    assert {"md5": "1"} == getattr(record, label) == asdict(record)[label]
    with pytest.raises(TypeError):
        getattr(record, label)["md5"] = "3"
