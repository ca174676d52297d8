"""Spans in the original text of what a normalizer composed, decomposed, moved, replaced or dropped."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Regex, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend

from ws_server.document.tokenizer import ContextRule, Tokenizer

Span = tuple[int, int]


def of_bytes(normalizer: normalizers.Normalizer) -> Tokenizer:
    """A token for each byte of the normalized text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Backend(models.BPE({character: number for number, character in enumerate(alphabet)}, []))
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return Tokenizer(backend.to_str(), ContextRule(4096, None))


def spans(tokenizer: Tokenizer, text: str) -> list[Span]:
    tokens = tokenizer.tokenize(text, "utf-32")
    return list(zip(tokens.starts.tolist(), tokens.stops.tolist(), strict=True))


def without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.category(c).startswith("M"))


NORMALIZERS: dict[str, tuple[normalizers.Normalizer, Callable[[str], str]]] = {
    "NFC": (normalizers.NFC(), lambda text: unicodedata.normalize("NFC", text)),
    "NFD": (normalizers.NFD(), lambda text: unicodedata.normalize("NFD", text)),
    "NFKC": (normalizers.NFKC(), lambda text: unicodedata.normalize("NFKC", text)),
    "NFKD": (normalizers.NFKD(), lambda text: unicodedata.normalize("NFKD", text)),
    "accents stripped": (normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]), without_accents),
    "lower case": (normalizers.Lowercase(), str.lower),
    "lower case, composed": (
        normalizers.Sequence([normalizers.Lowercase(), normalizers.NFC()]),
        lambda text: unicodedata.normalize("NFC", text.lower()),
    ),
}
"""Each with the same function by Python's own tables."""


def by_prefixes(text: str, normalize: Callable[[str], str]) -> list[Span]:
    """The slow way: a span for each byte of the normalized text.

    The text can be cut where its two sides, normalized by themselves, make the whole. What lies between two cuts
    belongs together; what gives nothing belongs to what it follows.
    """
    whole = normalize(text)
    cuts = [cut for cut in range(len(text) + 1) if normalize(text[:cut]) + normalize(text[cut:]) == whole]
    pieces: list[tuple[int, int, str]] = []
    for start, stop in pairwise(cuts):
        given = whole[len(normalize(text[:start])) : len(normalize(text[:stop]))]
        if not given and pieces:
            pieces[-1] = (pieces[-1][0], stop, pieces[-1][2])
        elif pieces and not pieces[-1][2]:
            pieces[-1] = (pieces[-1][0], stop, given)  # nothing stands before it
        else:
            pieces.append((start, stop, given))
    return [(start, stop) for start, stop, given in pieces for _ in given.encode()]


# Composed, decomposed and neither; marks of several classes; Hangul in all its forms; ligatures, wide and half-wide
# letters; marks that compose in other scripts; signs that only look as if they did.
PLAIN = "ab q<\n\u00e9\u1eadİ\u212b中😀\u00a8\u0344\u09c7\u0bc6\u0915"
MARKS = "\u0301\u0323\u0308\u0327\u0338\u09be\u0bbe\u093c\u3099\u20dd\ufe0f\u200d"
HANGUL = "\u1112\u1161\u11ab\ud55c\uac00\u3131\u314f\u3133\uffa1\uffc2"
COMPATIBLE = "\ufb01\u2460\uff76\uff9e\u30ab\uff21\u00bd\ufdfa"
texts = st.text(st.sampled_from(PLAIN + MARKS * 2 + HANGUL + COMPATIBLE), max_size=12)


@pytest.mark.parametrize("name", NORMALIZERS)
@given(text=texts)
@example("cafe\u0301 x")
@example("a\u0301\u0323 x")
@example("e\u0301\u0301 x")
@example("\u1112\u1161\u11ab x")
@example("\ufb01\u0301 x")
@example("\u3131\u314f\u3133")
@example("\u0301x")
def test_spans_are_those_of_the_slow_way(name: str, text: str) -> None:
    normalizer, reference = NORMALIZERS[name]
    found = spans(of_bytes(normalizer), text)
    assert found == by_prefixes(text, reference)
    end = 0
    for start, stop in found:  # in order, and nothing is left out
        assert start <= end <= stop
        end = stop
    assert end == (len(text) if found else 0)


@pytest.mark.parametrize(
    ("normalizer", "text", "expected"),
    [
        (normalizers.NFC(), "cafe\u0301 x", [(0, 1), (1, 2), (2, 3), (3, 5), (3, 5), (5, 6), (6, 7)]),
        (normalizers.Replace("ab", "XYZ"), "1ab2", [(0, 1), (1, 3), (1, 3), (1, 3), (3, 4)]),
        (normalizers.Replace(Regex(" +"), "_"), "a   b", [(0, 1), (1, 4), (4, 5)]),
        (normalizers.Replace("x", ""), "axxb", [(0, 1), (1, 4)]),
        (normalizers.Prepend("_"), "ab", [(0, 1), (0, 1), (1, 2)]),
        (normalizers.Strip(), "  ab ", [(0, 3), (3, 5)]),
        (normalizers.Sequence([normalizers.NFC(), normalizers.Prepend("_")]), "e\u0301b", [(0, 2)] * 3 + [(2, 3)]),
        (normalizers.Sequence([normalizers.NFC(), normalizers.Strip()]), " e\u0301b ", [(0, 3), (0, 3), (3, 5)]),
        (normalizers.BertNormalizer(lowercase=True), "E\u0301\u4e2d", [(0, 2), (2, 3), (2, 3), (2, 3), (2, 3), (2, 3)]),
    ],
    ids=str,
)
def test_what_is_replaced_added_or_dropped(normalizer: normalizers.Normalizer, text: str, expected: list[Span]) -> None:
    assert spans(of_bytes(normalizer), text) == expected


def test_a_token_of_several_characters_ends_where_its_last_one_does() -> None:
    backend = Backend(models.WordLevel({"café": 0, "x": 1, "?": 2}, unk_token="?"))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    assert spans(Tokenizer(backend.to_str(), ContextRule(8, None)), "cafe\u0301 x") == [(0, 5), (5, 7)]


@pytest.mark.parametrize("cluster", ["a" + "\u0301" * 20_000, "a" + "\u0301\u0323" * 10_000])
def test_a_heap_of_marks_takes_no_long_time(cluster: str) -> None:
    """Looked into it would take the square of its length."""
    found = spans(of_bytes(normalizers.NFC()), cluster + "b")
    assert found[0][0] == 0
    assert found[-1] == (len(cluster), len(cluster) + 1)


def test_spans_in_utf_16_units() -> None:
    tokens = of_bytes(normalizers.NFC()).tokenize("😀e\u0301x", "utf-16")
    assert list(zip(tokens.starts.tolist(), tokens.stops.tolist(), strict=True)) == [(0, 2)] * 4 + [(2, 4)] * 2 + [
        (4, 5)
    ]
