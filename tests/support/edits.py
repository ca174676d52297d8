"""Random edits of the kinds that editors make, and of those that they should not."""

from __future__ import annotations

from random import Random

from tests.support.client import Change, inside_pair, to_units

_WORDS = ("the", " lighthouse", " wave", "s", " 42", "0.5", "return", "    ", "def ", "(x)", '"', "'s", " and", "\t")
_BREAKS = ("\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\u2028", ".\n")
_WIDE = (
    "😀",
    "👩‍👩‍👧‍👦",
    "🇫🇷",
    "𐍈",
    "灯台守",
    "Смотритель",
    "é",
    "e\u0301",
    "a\u0308\u0323",
    "ﬁ",
    "각",
    "가\u11a8",
    "\u200d",
)
_ODD = (
    "\0",
    "\x7f",
    "\ufeff",
    "\ufffd",
    "▁",
    "<|endoftext|>",
    "<s>",
    "<0x41>",
    "\u0301",
    "Ġ",
    "  ",
    "\u00a0",
    "\x1b[0m",
)
_PARAGRAPH = (
    "Nobody else counts them, she thought, and walked on along the harbour wall.\n"
    "    if wave.height > limit: total += 1  # 3.14\n\n"
    "Über den Wellen, 128 of them, was a gull; its name was Émile. 😀\r\n"
)


class Editor:
    """Makes up changes. A text of about `size` units is what it tends to.

    Lone surrogates are part of its repertoire. JSON joins two halves that meet in one string, so in `utf-32`, where
    the client would count them as two, only the first half is ever used.
    """

    def __init__(self, seed: int, encoding: str, size: int = 500) -> None:
        self.random = Random(seed)
        self.encoding = encoding
        self.size = size
        self._halves = ("\ud83d", "\ude00") if encoding == "utf-16" else ("\ud83d",)

    def insertion(self) -> str:
        """What is typed or pasted, in units."""
        pick = self.random.random()
        choose = self.random.choice
        if pick < 0.45:
            text = choose(_WORDS)
        elif pick < 0.60:
            text = choose(_BREAKS)
        elif pick < 0.78:
            text = choose(_WIDE)
        elif pick < 0.86:
            text = choose(_ODD)
        elif pick < 0.90:
            text = choose(self._halves)
        elif pick < 0.985:
            text = "".join(self.random.choices((*_WORDS, *_BREAKS, *_WIDE), k=self.random.randrange(2, 12)))
        else:
            text = _PARAGRAPH * self.random.randrange(1, 8)
        return to_units(text, self.encoding)

    def changes(self, text: str) -> list[Change]:
        """The changes of one message, in any order."""
        if text and self.random.random() < 0.01:
            return [(0, len(text), self.insertion() if self.random.random() < 0.5 else "")]
        count = self.random.choice((1, 1, 1, 1, 1, 1, 2, 3, 5))
        changes: list[Change] = []
        position = 0  # changes keep a distance, so that their order does not matter
        for offset in sorted(self._offset(text) for _ in range(count)):
            if offset < position:
                continue
            start, stop, insert = self._change(text, offset)
            changes.append((start, stop, insert))
            position = stop + 1
        self.random.shuffle(changes)
        return changes

    def _offset(self, text: str) -> int:
        # Most people type at the end.
        offset = len(text) if self.random.random() < 0.3 else self.random.randint(0, len(text))
        return offset - inside_pair(text, offset)

    def _change(self, text: str, start: int) -> Change:
        pick = self.random.random()
        if pick < 0.5 - min(0.4, 0.2 * len(text) / self.size):
            return start, start, self.insertion()
        length = self.random.choice((1, 1, 1, 2, 5, 20, 20 + max(0, len(text) - self.size) // 2))
        stop = min(len(text), start + length)
        stop += inside_pair(text, stop)
        return start, stop, self.insertion() if pick > 0.75 else ""
