/** Visible characters: grapheme clusters, and signs for characters without width. */

/** A piece of text, in UTF-16 units. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** An invisible character, and the sign that is shown instead. */
export interface Hidden extends Span {
  readonly sign: string;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

const INVISIBLE = String.raw`\p{Cc}\p{Default_Ignorable_Code_Point}\p{Zl}\p{Zp}\ufff9-\ufffb`;

/**
 * Matches characters without width; the only group holds one that needs a sign. It needs none as part of the character
 * before it: in the flags of England, Scotland and Wales, joining two emoji or the halves of an Indic conjunct, or
 * selecting a variant of a visible character. A combining mark needs one if it has nothing to combine with.
 */
const HIDDEN = new RegExp([
  String.raw`\u{1f3f4}\u{e0067}\u{e0062}[\u{e0061}-\u{e007a}]{3}\u{e007f}`,
  String.raw`(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d(?=\p{Extended_Pictographic})`,
  String.raw`(?<=[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca])\u200d`,
  String.raw`(?<=[^\p{C}\p{Z}\p{Default_Ignorable_Code_Point}])\p{Variation_Selector}`,
  String.raw`((?![\t\n])[${INVISIBLE}]|(?<=^|(?![\p{Variation_Selector}\u200d])[${INVISIBLE}])[\p{Mn}\p{Me}])`,
].join("|"), "gu");

const CONTROLS = "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(" ");
const NAMES = new Map(
  ("7f DEL ad SHY 34f CGJ 61c ALM 180e MVS 200b ZWSP 200c ZWNJ 200d ZWJ 200e LRM 200f RLM 2028 LS 2029 PS 202a LRE 202b RLE 202c PDF 202d LRO "
    + "202e RLO 2060 WJ 2066 LRI 2067 RLI 2068 FSI 2069 PDI feff BOM").match(/\w+ \w+/g)?.map((pair) => pair.split(" ") as [string, string]),
);

function signOf(character: string): string {
  const code = character.codePointAt(0) as number;
  if (code > 0xe0020 && code < 0xe007f) return `TAG ${String.fromCodePoint(code - 0xe0000)}`;
  if (code >= 0xfe00 && code <= 0xfe0f) return `VS${code - 0xfe00 + 1}`;
  const hex = code.toString(16);
  return CONTROLS[code] ?? NAMES.get(hex) ?? (/\p{Default_Ignorable_Code_Point}|[^\p{M}]/u.test(character) ? codePoint(character) : `\u25cc${character}`);
}

/** U+200B and the like. */
export function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** The characters of a text that need a sign, in order. */
export function hiddenIn(text: string): Hidden[] {
  return Array.from(text.matchAll(HIDDEN)).flatMap(({ 1: hidden, index }) => (
    hidden === undefined ? [] : [{ from: index, to: index + hidden.length, sign: signOf(hidden) }]
  ));
}

/** The text with signs for invisible characters; `show` makes one from its name and the character. */
export function withSigns(text: string, show: (sign: string, character: string) => string = bracketed): string {
  return text.replace(HIDDEN, (found, hidden?: string) => (hidden === undefined ? found : show(signOf(hidden), hidden)));
}

/** A name in brackets; an accent on its circle without. */
function bracketed(sign: string): string {
  return /^[A-Z]/.test(sign) ? `\u2039${sign}\u203a` : sign;
}

/** Grapheme clusters, with each sign as one. */
export function charactersOf(text: string): string[] {
  // ASCII needs no segmenter, which is slow. CR is left out because CR LF is one.
  // eslint-disable-next-line no-control-regex -- all of ASCII
  if (/^[\u0000-\u000c\u000e-\u007f]*$/.test(text)) return Array.from(text);
  const edges = [0, ...hiddenIn(text).flatMap(({ from, to }) => [from, to]), text.length];
  return edges.flatMap((edge, i) => Array.from(graphemes.segment(text.slice(edge, edges[i + 1])), ({ segment }) => segment));
}

/**
 * Finds the grapheme cluster that an offset of `text` splits: null at a boundary, or at a character that is shown as a
 * sign. Works lazily: most texts are ASCII.
 */
export function characterFinder(text: string): (offset: number) => Span | null {
  let segments: Intl.Segments | null = null;
  let hidden: readonly Hidden[] = [];
  return (offset) => {
    // No character below continues a cluster.
    if (offset <= 0 || offset >= text.length || text.charCodeAt(offset) < 0x300) return null;
    if (segments === null) {
      segments = graphemes.segment(text);
      hidden = hiddenIn(text);
    }
    const found = segments.containing(offset);
    if (found === undefined || found.index === offset) return null;
    let from = found.index;
    let to = from + found.segment.length;
    for (const sign of hidden) {
      if (sign.to <= from) continue;
      if (sign.from >= to) break;
      if (sign.to <= offset) from = sign.to;
      else if (sign.from >= offset) to = Math.min(to, sign.from);
    }
    return from === offset || to === offset ? null : { from, to };
  };
}

/** One kind of line break. A CR that does not end a line stays, and is shown. */
export function plainBreaks(text: string): string {
  return text.replace(/\r+\n/g, "\n");
}
