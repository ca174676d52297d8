/**
 * The coloured text as a self-contained HTML file: no scripts, values on hover, suitable for printing.
 *
 * Each token has its colours from the page: the focused neuron's behind the text, the others' as stripes under it.
 * Signs (line breaks, BOS) are made by style, so copied text is the text.
 */
import { formatValue, visibleText } from "../editor/format";
import { hiddenIn } from "../editor/characters";
import { escapeMarkup } from "./escape";
import { ACCENT, formatBound, kinText, titleOf } from "./legend";
import { kinOf, linesOf, type Paint, painter, type Piece, signOf } from "./pieces";
import { drawn, type ExportDocument, type ExportNeuron, INK, modelLine, PAPER, type Snapshot, striped, washed } from "./snapshot";
import { Kin } from "../editor/source";
import { buckets } from "../colour/palette";

/** Pixels, with the gap below. */
const STRIPE = 3;

export function toHtml(snapshot: Snapshot): string {
  const { documents, stripes, model } = snapshot;
  const several = documents.length > 1;
  const heading = headingOf(snapshot);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Interactive Neuroscope">
<title>${escapeMarkup(`${heading}${model === null ? "" : ` · ${model.id}`}`)}</title>
<style>${style(stripes.length)}</style>
</head>
<body>
<main>
<h1>${escapeMarkup(heading)}</h1>
${legend(snapshot)}
${documents.map((document) => `${several ? `<h2>${escapeMarkup(titleOf(document))}</h2>\n` : ""}<div class="text" translate="no">
${linesHtml(snapshot, document)}
</div>`).join("\n")}
</main>
</body>
</html>
`;
}

/** Which neurons the text shows. */
function headingOf(snapshot: Snapshot): string {
  const [first, ...others] = drawn(snapshot);
  if (first === undefined) return "Text";
  return others.length === 0 ? first.key : `${first.key} and ${others.length} more ${others.length === 1 ? "neuron" : "neurons"}`;
}

function style(stripes: number): string {
  const room = stripes * STRIPE + (stripes > 0 ? 2 : 0);
  // Layers of a token's background, whose colours each token sets: stripes from below, its edge, the colour behind its
  // text.
  const layer = (stops: string, position: string, size: string): string => `linear-gradient(${stops}) ${position}/${size} no-repeat`;
  const layers = [
    ...Array.from({ length: stripes }, (_, i) => (
      layer(`90deg,var(--s${i},#0000,#0000)`, `0 calc(100% - ${(stripes - 1 - i) * STRIPE}px)`, `100% ${STRIPE - 1}px`)
    )),
    layer("rgb(0 0 0/.16),rgb(0 0 0/.16)", "100% 0", `1px calc(100% - ${room}px)`),
    layer("90deg,var(--b,#0000,#0000)", "0 0", `100% calc(100% - ${room}px)`),
  ];
  return `
:root{color-scheme:light}
body{margin:2em auto;max-width:62em;padding:0 1.5em;background:${PAPER};color:${INK};font:14px/1.5 system-ui,sans-serif;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
h1{font-size:1.15em;margin:0 0 .3em}
h2{font-size:1em;margin:1.5em 0 .5em}
table{border-collapse:collapse;margin:0 0 1em;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:0 0 .5em;color:#5c636b}
th,td{text-align:left;font-weight:400;padding:.1em 1.2em .1em 0;white-space:nowrap}
th{font-weight:600}
td.n{text-align:right;padding-right:.5em}
td.n+td{padding-right:.5em}
.scale{display:inline-flex;width:132px;height:.9em;vertical-align:-.1em;outline:1px solid #d6d8d5}
.scale i{flex:1}
.text,.scale{forced-color-adjust:none;background:${PAPER};color:${INK}}
.text{border-top:1px solid #d6d8d5;padding:1em 0 0 46px;font:15px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.line{white-space:break-spaces;overflow-wrap:anywhere;tab-size:4;line-height:${26 + room}px}
.t{padding:2px 0 ${room + 2}px;background:${layers.join(",")};-webkit-box-decoration-break:clone;box-decoration-break:clone}
.t::before{font-family:system-ui,sans-serif;user-select:none}
.line i::before{content:"⇥";position:absolute;color:#a3a9ae;font-style:normal;user-select:none}
.line u{display:inline-block;font-size:0;text-decoration:none;border:1px solid;border-radius:3px;padding:0 2px;margin:0 1px;line-height:1.3}
u::before{content:attr(data-sign);font-size:10px}
.break::before{content:"↵";padding:0 2px}
.special::before,.context::before{content:attr(data-sign);font-size:10px;font-weight:600;padding:0 4px}
.line>:is(.special,.context):first-child{float:left;width:38px;margin:${2 + room / 2}px 8px 0 -46px;text-align:center;line-height:20px;padding-top:0}
.replaced{text-decoration:overline 2px ${ACCENT}}
.alone{text-decoration:overline dotted 2px ${ACCENT}}
.begins{border-top:1px dashed #5c636b;margin-left:-46px;padding-left:46px}
@page{margin:15mm}
@media print{body{margin:0;padding:0;max-width:none}tr,.line{break-inside:avoid}}
`;
}

function legend(snapshot: Snapshot): string {
  const places = drawn(snapshot).map((neuron) => {
    const at = snapshot.stripes.indexOf(neuron);
    return [neuron, at < 0 ? "background" : `stripe ${at + 1}`] as const;
  });
  const rows = places.map(([neuron, place]) => `<tr><th scope="row">${escapeMarkup(neuron.key)}</th><td>${place}</td>
<td class="n">${formatBound(neuron.scale.min)}</td><td>${scaleHtml(neuron, place === "background" ? washed : striped)}</td>
<td>${formatBound(neuron.scale.max)}</td><td>${escapeMarkup(neuron.origin)}</td></tr>`);
  return `<table class="legend" translate="no"><caption>${escapeMarkup(modelLine(snapshot.model))}</caption>
<tbody>
${rows.join("\n")}
</tbody></table>${snapshot.documents.length > 1 ? `\n<p>${kinText}</p>` : ""}`;
}

function scaleHtml({ hue }: ExportNeuron, colour: (hue: number, bucket: number) => string | null): string {
  const steps = buckets.map((bucket) => `<i style="background:${colour(hue, bucket) ?? PAPER}"></i>`);
  return `<span class="scale" aria-hidden="true">${steps.join("")}</span>`;
}

function linesHtml(snapshot: Snapshot, document: ExportDocument): string {
  const paint = painter(snapshot, document);
  return linesOf(document).map(({ pieces, context }) => {
    const content = pieces.map((piece) => pieceHtml(snapshot, document, paint, piece)).join("");
    // An empty line would have no height to select.
    return `<div class="line${context ? " begins" : ""}">${content || "<br>"}</div>`;
  }).join("\n");
}

const KIN_CLASSES: Readonly<Record<Kin, readonly string[]>> = { [Kin.same]: [], [Kin.replaced]: ["replaced"], [Kin.alone]: ["alone"] };

function pieceHtml({ neurons }: Snapshot, document: ExportDocument, paint: (piece: Piece) => Paint, piece: Piece): string {
  const { kind, text, first, last } = piece;
  if (last < first) return textHtml(text);
  const { back, stripes } = paint(piece);
  const colours = [back, ...stripes].flatMap((parts, i) => {
    const stops = stopsOf(parts);
    return stops === null ? [] : [`--${i === 0 ? "b" : `s${i - 1}`}:${stops}`];
  });
  const lines = Array.from({ length: last - first + 1 }, (_, i) => {
    const { id, text: own } = document.tokens.at(first + i);
    const values = neurons.map(({ key }) => {
      const [value, shown] = [document.values, document.shown].map((all) => all.get(key)?.[first + i] ?? NaN) as [number, number];
      return `${key} ${formatValue(value)}${document.note === null ? "" : ` (${document.note} ${formatValue(shown)})`}`;
    });
    return [`${visibleText(own)} · token ${first + i} · id ${id}`, ...values].join("\n");
  });
  const attributes = [
    `class="${["t", ...(kind === "text" ? [] : [kind]), ...KIN_CLASSES[kinOf(document, piece)]].join(" ")}"`,
    `title="${escapeMarkup(lines.join("\n"))}"`,
    ...(colours.length === 0 ? [] : [`style="${colours.join(";")}"`]),
    ...(kind === "special" || kind === "context" ? [`data-sign="${signOf(piece)}"`] : []),
  ];
  return `<span ${attributes.join(" ")}>${textHtml(text)}</span>`;
}

/** Stops of a gradient in which each of a piece's tokens has its share; null if none has a colour. */
function stopsOf(parts: readonly (string | null)[]): string | null {
  if (parts.every((colour) => colour === null)) return null;
  const [only] = parts;
  if (parts.length === 1) return `${only},${only}`;
  return parts.map((colour, i) => `${colour ?? "#0000"} ${percent(i / parts.length)} ${percent((i + 1) / parts.length)}`).join(",");
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(2))}%`;
}

/** Text with signs for invisible characters. The character itself stays, in a box that limits its effect. */
function textHtml(text: string): string {
  let end = 0;
  const parts = hiddenIn(text).flatMap(({ from, to, sign }) => {
    const before = text.slice(end, from);
    end = to;
    return [escapeMarkup(before), `<u data-sign="${escapeMarkup(sign)}">${escapeMarkup(text.slice(from, to))}</u>`];
  });
  return [...parts, escapeMarkup(text.slice(end))].join("").replaceAll("\t", "<i>\t</i>");
}
