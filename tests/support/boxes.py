"""A font whose characters are all the same rectangle, so that a page looks the same whatever fonts a machine has."""

from __future__ import annotations

import io
from itertools import chain

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

FAMILY = "Boxes"

_EM, _WIDTH = 1000, 600
_LEFT, _RIGHT, _BOTTOM, _TOP = 70, 530, 0, 620
_SPACES = (0x20, 0xA0)


def boxes() -> bytes:
    """The font as a TrueType file: all characters up to U+2FFF, 0.6 em wide."""
    builder = FontBuilder(_EM, isTTF=True)
    builder.setupGlyphOrder([".notdef", "space", "box"])
    characters = chain(range(0x21, 0xA0), range(0xA1, 0x3000))
    builder.setupCharacterMap(dict.fromkeys(_SPACES, "space") | dict.fromkeys(characters, "box"))
    box, nothing = TTGlyphPen(None), TTGlyphPen(None)
    box.moveTo((_LEFT, _BOTTOM))
    for corner in ((_LEFT, _TOP), (_RIGHT, _TOP), (_RIGHT, _BOTTOM)):
        box.lineTo(corner)
    box.closePath()
    drawn = box.glyph()
    builder.setupGlyf({".notdef": drawn, "space": nothing.glyph(), "box": drawn})
    builder.setupHorizontalMetrics(dict.fromkeys((".notdef", "box"), (_WIDTH, _LEFT)) | {"space": (_WIDTH, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": FAMILY, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    file = io.BytesIO()
    builder.save(file)
    return file.getvalue()
