"""The activations of a document as the server sent them: neurons x tokens, spliced like its token list."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FloatMatrix = np.ndarray[Any, np.dtype[np.float32]]
BoolVector = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(slots=True)
class _Row:
    values: np.ndarray[Any, np.dtype[np.float32]]  # [tokens], NaN if there is none
    received: BoolVector  # [tokens], whether a value has come
    current: BoolVector  # [tokens], and whether nothing before the token has changed since


class ActivationTable:
    """One row per neuron, one column per token."""

    def __init__(self) -> None:
        self.length = 0
        self._rows: dict[str, _Row] = {}

    def keep(self, keys: Iterable[str]) -> None:
        """Sets the rows to `keys`; new ones are empty."""
        old = self._rows
        self._rows = {key: old.get(key) or _empty(self.length) for key in keys}

    def splice(self, start: int, delete_count: int, insert_count: int, stale_until: int) -> None:
        """Applies a splice of the token list; the values of the tokens after it, up to `stale_until`, may have
        changed."""
        for row in self._rows.values():
            new = _empty(insert_count)
            row.values = _spliced(row.values, start, delete_count, new.values)
            row.received = _spliced(row.received, start, delete_count, new.received)
            row.current = _spliced(row.current, start, delete_count, new.current)
            row.current[start:stale_until] = False
        self.length += insert_count - delete_count

    def clear(self, length: int) -> None:
        """There are `length` tokens, and no values yet."""
        self.length = length
        self._rows = {key: _empty(length) for key in self._rows}

    def mark_stale(self) -> None:
        """Every value may belong to an older text."""
        for row in self._rows.values():
            row.current[:] = False

    def mark_current(self) -> None:
        """The server has sent everything: all received values are current."""
        for row in self._rows.values():
            row.current[:] = row.received

    def write(self, start: int, keys: Sequence[str], values: FloatMatrix) -> None:
        """Writes `values` [neurons, count] at token `start`; neurons without a row are ignored."""
        stop = start + values.shape[1]
        for key, column in zip(keys, values, strict=True):
            row = self._rows.get(key)
            if row is not None:
                row.values[start:stop] = column
                row.received[start:stop] = row.current[start:stop] = True

    def matrix(self, keys: Sequence[str]) -> FloatMatrix:
        """A copy, [neurons, tokens].

        Raises:
            KeyError: a neuron that has no row.
        """
        if not keys:
            return np.zeros((0, self.length), dtype=np.float32)
        return np.stack([self._rows[key].values for key in keys])

    def current(self, keys: Sequence[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each value is of the newest text, [neurons, tokens]."""
        if not keys:
            return np.zeros((0, self.length), dtype=np.bool_)
        return np.stack([self._rows[key].current for key in keys])

    @property
    def complete(self) -> bool:
        """Whether every row has a value at every token."""
        return all(bool(row.received.all()) for row in self._rows.values())


def decoded_values(update: Mapping[str, Any]) -> FloatMatrix:
    """The `values` of an `activations/update`, [neurons, count]; null becomes NaN.

    Raises:
        ValueError: they do not have the shape that the message announces.
    """
    shape = (len(update["neurons"]), update["count"])
    values = update["values"]
    if isinstance(values, Mapping):
        try:
            matrix = np.frombuffer(base64.b64decode(values["data"], validate=True), dtype="<f4").astype(np.float32)
        except binascii.Error as error:
            raise ValueError("the values are not base64") from error
    else:
        matrix = np.array(values, dtype=np.float32)  # None becomes NaN
    if matrix.size != shape[0] * shape[1]:
        raise ValueError(f"{matrix.size} values came where {shape[0]} x {shape[1]} were announced")
    return matrix.reshape(shape)


def _empty(count: int) -> _Row:
    return _Row(np.full(count, np.nan, np.float32), np.zeros(count, np.bool_), np.zeros(count, np.bool_))


def _spliced(array: np.ndarray[Any, Any], start: int, delete_count: int, new: np.ndarray[Any, Any]) -> Any:
    return np.concatenate([array[:start], new, array[start + delete_count :]])
