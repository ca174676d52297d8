"""Text to tokens with spans, by the model's own tokenizer.

The tokenizer is the model's `tokenizer.json` run by the `tokenizers` library alone: no torch, and `encode_batch`
lets other threads run meanwhile. It never adds special tokens; BOS is put in front of each context here, if the model
prepends one, exactly once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from tokenizers import Encoding
from tokenizers import Tokenizer as BackendTokenizer

from .alignment import Alignment
from .contexts import break_points
from .text import Offsets, PositionEncoding, replace_lone_surrogates
from .tokens import EMPTY, IntArray, TokenList

_SLACK = 64
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, slots=True)
class ContextRule:
    """How a model's contexts are formed."""

    tokens: int
    """The most tokens of one context, BOS counted."""
    bos: int | None
    """The id that begins each context; None if the model does not prepend one."""


class TooManyTokens(Exception):
    """A text has more tokens than allowed."""


class Tokenizer:
    """One model's tokenizer. Methods may be called from any thread."""

    def __init__(self, tokenizer_json: str, rule: ContextRule) -> None:
        backend = BackendTokenizer.from_str(tokenizer_json)
        backend.no_truncation()
        backend.no_padding()
        # The post-processor would add special tokens; some also trim spaces off the spans.
        backend.post_processor = None
        self._backend = backend
        self._alignment = None if backend.normalizer is None else Alignment(backend.normalizer.normalize_str)
        self._rule = rule
        self._metaspace = "▁" in tokenizer_json and '"ByteLevel"' not in tokenizer_json
        self._texts: dict[int, str] = {}

    def tokenize(
        self, text: str, encoding: PositionEncoding, most: int | None = None, unsure: bool = False
    ) -> TokenList:
        """All tokens of `text`, divided into contexts, with spans in the client's unit.

        Args:
            text: the text.
            encoding: the client's unit.
            most: how many tokens there may be.
            unsure: whether the text may be so much longer that it saves time to tokenize only its beginning first.

        Raises:
            TooManyTokens: there are more than `most`.
        """
        readable = replace_lone_surrogates(text)
        if most is not None and unsure:
            self._look_ahead(readable, most)
        encoded = self._encode(readable)
        if most is not None and len(encoded) > most:
            raise TooManyTokens
        ids = np.array(encoded.ids, dtype=np.int64)  # [tokens]
        spans = np.array(encoded.offsets, dtype=np.int64).reshape(-1, 2)
        starts, stops = spans[:, 0].copy(), spans[:, 1].copy()
        if self._alignment is not None:
            starts, stops = self._alignment.widen(readable, starts, stops)
        starts, stops = _cover(starts, stops, len(text))
        bos = self._rule.bos
        breaks = break_points(text, starts, stops, max(1, self._rule.tokens - (bos is not None)))
        offsets = Offsets(text, encoding)
        special = np.zeros(len(ids), dtype=np.bool_)
        if bos is not None:
            # The BOS of a context has an empty span at the start of the context's first token.
            where = np.array([0, *breaks], dtype=np.int64)
            at = starts[where] if len(ids) else np.zeros(1, dtype=np.int64)
            ids = np.insert(ids, where, bos)
            starts, stops = np.insert(starts, where, at), np.insert(stops, where, at)
            special = np.insert(special, where, True)
            breaks = [index + number for number, index in enumerate(breaks, start=1)]
        elif not len(ids):
            return EMPTY
        return TokenList(ids, offsets.to_wire(starts), offsets.to_wire(stops), special, tuple(breaks))

    def _look_ahead(self, text: str, most: int) -> None:
        """Tokenizes longer and longer beginnings, so that a text of far too many tokens is refused early."""
        size = max(most, 1)
        while size < len(text):
            # The cut can split a token into a few.
            if len(self._encode(text[:size])) > most + _SLACK:
                raise TooManyTokens
            size *= 4

    def _encode(self, text: str) -> Encoding:
        return self._backend.encode_batch([text], add_special_tokens=False)[0]

    def text_of(self, token: int) -> str:
        """The decoded token; U+FFFD for bytes that are not a character by themselves."""
        text = self._texts.get(token)
        if text is None:
            text = self._texts[token] = self._decode(token)
        return text

    def _decode(self, token: int) -> str:
        if self._metaspace:
            # Such decoders strip the space that begins a word, so the vocabulary's own spelling is used instead.
            piece: str = self._backend.id_to_token(token) or ""
            if byte := _BYTE_TOKEN.fullmatch(piece):
                return bytes([int(byte[1], 16)]).decode("utf-8", "replace")
            return piece.replace("▁", " ")
        decoded: str = self._backend.decode([token], skip_special_tokens=False)
        return decoded


def _cover(starts: IntArray, stops: IntArray, length: int) -> tuple[IntArray, IntArray]:
    """Spans without gaps between tokens: a gap belongs to the token after it, and to those that
    share this token's first character.

    Gaps come from normalizers and pre-tokenizers that drop characters, such as the space before a word.
    """
    if not len(starts):
        return starts, stops
    previous = np.concatenate(([0], np.maximum.accumulate(stops)[:-1]))
    covering = np.minimum(starts, previous)
    shares = np.concatenate(([False], (starts[1:] == starts[:-1]) & (stops[:-1] > starts[1:])))
    # Each token begins where the first of those that share its first character does.
    covering = covering[np.maximum.accumulate(np.where(shares, 0, np.arange(len(starts))))]
    stops[-1] = max(stops[-1], length)
    return covering, stops
