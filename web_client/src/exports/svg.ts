/**
 * The coloured text as a picture for papers: white, with a legend, without controls.
 *
 * Text is on a grid of fixed-pitch columns. Each token is placed separately with a given length, so that it fills its
 * colour in any font. A character is never split: several tokens share its width, and joined letters are drawn
 * together.
 */
import { charactersOf, withSigns } from "../editor/characters";
import { columnsOf, isRightToLeft, joins } from "./columns";
import { escapeMarkup } from "./escape";
import { ACCENT, formatBound, kinText, titleOf } from "./legend";
import { join, type Layout, layOut, type Placed, SIGN } from "./layout";
import { kinOf, linesOf, painter, signOf } from "./pieces";
import { drawn, type ExportDocument, INK, modelLine, PAPER, type Snapshot, striped, washed } from "./snapshot";
import { buckets } from "../colour/palette";
import { Kin } from "../editor/source";

export interface Picture {
  readonly svg: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

const FONT = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace";
const SANS = "system-ui, 'Helvetica Neue', Arial, sans-serif";
const SIZE = 14;
/** Advance of nearly every fixed-pitch font, in its size. */
const ADVANCE = 0.6 * SIZE;
const EDGE = 16;
const MARGIN = (SIGN + 1) * ADVANCE; // for BOS
const BOX = 20; // height of the colour behind the text
const BASE = 14.5; // of the text in it
const STRIPE = 3; // with the gap below
const GAP = 4; // between rows
const LEGEND_ROW = 18;
const LEGEND_BAR = 132;
const QUIET = "#5c636b";

/** A picture of the documents, `columns` columns wide. */
export function toSvg(snapshot: Snapshot, columns: number): Picture {
  const { documents, stripes } = snapshot;
  const several = documents.length > 1;
  const rowHeight = BOX + stripes.length * STRIPE + GAP;
  const layouts = documents.map((document) => layOut(linesOf(document), columns));
  const columnsUsed = layouts.flatMap(({ placed }) => placed).reduce((most, { column, columns: wide }) => Math.max(most, column + wide), 0);
  const legend = legendSvg(snapshot, MARGIN + columnsUsed * ADVANCE);
  const parts: string[] = [];
  let y = EDGE + legend.height + 10;
  if (several) {
    parts.push(label(EDGE, y + 6, kinText, { size: 11, colour: QUIET }));
    y += 14;
  }
  documents.forEach((document, i) => {
    const layout = layouts[i] as Layout;
    if (several) {
      parts.push(label(EDGE, y + 14, titleOf(document), { weight: 600, size: 12 }));
      y += 22;
    }
    parts.push(
      ...layout.contexts.map((row) => {
        const at = y + row * rowHeight - GAP / 2;
        return `<path d="M${EDGE} ${at}H${EDGE + MARGIN + columnsUsed * ADVANCE}" stroke="${QUIET}" stroke-dasharray="3 3" fill="none"/>`;
      }),
      textSvg(snapshot, document, layout, y, rowHeight),
    );
    y += (layout.rows - (document.text.endsWith("\n") ? 1 : 0)) * rowHeight + 8; // an empty last line takes no room
  });
  const width = Math.ceil(2 * EDGE + Math.max(MARGIN + columnsUsed * ADVANCE, legend.width));
  const height = Math.ceil(y + EDGE - 8);
  return {
    width,
    height,
    svg: `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${escapeMarkup(drawn(snapshot).map(({ key }) => key).join(", "))}</title>
<rect width="${width}" height="${height}" fill="${PAPER}"/>
${legend.svg}
<g font-family="${FONT}" font-size="${SIZE}" fill="${INK}" xml:space="preserve">
${parts.join("\n")}
</g>
</svg>
`,
  };
}

function textSvg(snapshot: Snapshot, document: ExportDocument, { placed }: Layout, top: number, rowHeight: number): string {
  const paint = painter(snapshot, document);
  /** Letters that are drawn as one with those of the next piece. */
  let begun: Placed | null = null;
  return placed.flatMap((one, i) => {
    const { piece, text, row, column, columns } = one;
    const x = EDGE + MARGIN + column * ADVANCE;
    const y = top + row * rowHeight;
    const width = columns * ADVANCE;
    const { back, stripes } = paint(piece);
    const found: string[] = [];
    const share = (parts: readonly (string | null)[], from: number, height: number): void => {
      parts.forEach((colour, i) => {
        if (colour !== null) found.push(rect(x + (i * width) / parts.length, from, width / parts.length, height, colour));
      });
    };
    share(back, y, BOX);
    stripes.forEach((parts, i) => { share(parts, y + BOX + 1 + i * STRIPE, STRIPE - 1); });
    const kin = kinOf(document, piece);
    if (kin !== Kin.same && piece.kind === "text") {
      found.push(`<path d="M${at(x)} ${at(y + 2)}H${at(x + width)}" stroke="${ACCENT}" stroke-width="1.5"${kin === Kin.alone ? ` stroke-dasharray="1.5 2"` : ""}/>`);
    }
    if (piece.kind === "text") {
      found.push(rect(x + width - 0.5, y, 0.5, BOX, "#c9ccc8"));
      const drawn: Placed = begun === null ? one : join(begun, one) ?? one;
      const next = placed[i + 1];
      begun = next?.row === row && joins(text, next.text) && join(drawn, next) !== null ? drawn : null;
      if (begun === null) found.push(...glyphs(drawn.text, EDGE + MARGIN + drawn.column * ADVANCE, y + BASE, drawn.column));
    } else if (piece.kind === "break") {
      found.push(label(x + 3, y + BASE, "↵", { size: 11, colour: QUIET }));
    } else {
      found.push(
        `<rect x="${at(x + 0.5)}" y="${at(y + 0.5)}" width="${at(width - 1)}" height="${BOX - 1}" rx="3" fill="none" stroke="#b9bdb8"/>`,
        label(x + width / 2, y + BASE - 1, signOf(piece), { size: 9.5, weight: 600, middle: true }),
      );
    }
    return found;
  }).join("\n");
}

/** The characters between the spaces at both ends, with their length. */
function glyphs(text: string, x: number, y: number, column: number): string[] {
  const characters = charactersOf(text);
  const seen = (character: string): boolean => /\S/u.test(withSigns(character));
  if (text === "\t") return [label(x + 1, y, "⇥", { size: 11, colour: "#a3a9ae" })];
  const first = characters.findIndex(seen);
  if (first < 0) return [];
  const last = characters.findLastIndex(seen);
  const wide = (from: number, to: number): number => characters.slice(from, to).reduce((sum, one) => sum + columnsOf(one, column + sum), 0);
  const length = wide(first, last + 1) * ADVANCE;
  const content = escapeMarkup(withSigns(characters.slice(first, last + 1).join("")));
  const before = isRightToLeft(text) ? wide(last + 1, characters.length) : wide(0, first);
  const stretch = length > 0 ? ` textLength="${at(length)}"` : "";
  return [`<text x="${at(x + before * ADVANCE)}" y="${at(y)}"${stretch}>${content}</text>`];
}

/** Every neuron with its place, scale and bounds, as many side by side as fit `width`. */
function legendSvg(snapshot: Snapshot, width: number): { svg: string; width: number; height: number } {
  const neurons = drawn(snapshot);
  const keyWidth = Math.max(0, ...neurons.map(({ key }) => key.length)) * 8 + 12;
  const bar = keyWidth + 138; // where it begins, after place and lower end
  const entry = bar + LEGEND_BAR + 64;
  const abreast = Math.max(1, Math.min(neurons.length, Math.floor(width / entry)));
  const rows = Math.ceil(neurons.length / abreast);
  const parts = neurons.flatMap((neuron, i) => {
    const x = EDGE + Math.floor(i / rows) * entry;
    const y = EDGE + (1 + (i % rows)) * LEGEND_ROW;
    const stripe = snapshot.stripes.indexOf(neuron);
    const colour = stripe < 0 ? washed : striped;
    const step = LEGEND_BAR / buckets.length;
    return [
      label(x, y + 12, neuron.key, { size: 12, weight: 600 }),
      label(x + keyWidth, y + 12, stripe < 0 ? "background" : `stripe ${stripe + 1}`, { size: 12 }),
      label(x + bar - 6, y + 12, formatBound(neuron.scale.min), { size: 12, end: true }),
      // Slightly wider than a step, to avoid gaps.
      ...buckets.map((bucket, at) => rect(x + bar + at * step, y + 2, step + 0.1, 11, colour(neuron.hue, bucket) ?? PAPER)),
      `<rect x="${x + bar}" y="${y + 2}" width="${LEGEND_BAR}" height="11" fill="none" stroke="#d6d8d5"/>`,
      label(x + bar + LEGEND_BAR + 6, y + 12, formatBound(neuron.scale.max), { size: 12 }),
    ];
  });
  const head = label(EDGE, EDGE + 12, modelLine(snapshot.model), { size: 12, colour: QUIET });
  return {
    svg: `<g font-family="${SANS}" fill="${INK}">\n${[head, ...parts].join("\n")}\n</g>`,
    width: neurons.length === 0 ? 0 : abreast * entry,
    height: (rows + 1) * LEGEND_ROW,
  };
}

interface LabelStyle {
  readonly size: number;
  readonly weight?: number;
  readonly colour?: string;
  readonly middle?: boolean;
  readonly end?: boolean;
}

function label(x: number, y: number, text: string, { size, weight, colour, middle, end }: LabelStyle): string {
  const anchor = middle === true ? ` text-anchor="middle"` : end === true ? ` text-anchor="end"` : "";
  const bold = weight === undefined ? "" : ` font-weight="${weight}"`;
  const fill = colour === undefined ? "" : ` fill="${colour}"`;
  return `<text x="${at(x)}" y="${at(y)}" font-family="${SANS}" font-size="${size}"${bold}${fill}${anchor}>${escapeMarkup(text)}</text>`;
}

function rect(x: number, y: number, width: number, height: number, fill: string): string {
  return `<rect x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" fill="${fill}"/>`;
}

/** A coordinate, to a hundredth. */
function at(value: number): string {
  return String(Math.round(value * 100) / 100);
}
