/** Reports the tokens under the pointer and at the caret to the source, and explains the former in a tooltip. */
import { type Extension, StateEffect, StateField } from "@codemirror/state";
import { type EditorView, showTooltip, type Tooltip, type TooltipView, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import { classOf, hueClass } from "../colour/palette";
import { NO_VALUE } from "../colour/scale";
import { cellsOf } from "./cells";
import { explainToken } from "./explain";
import { formatDifference, formatValue, visibleText } from "./format";
import { pictureField } from "./picture";
import type { TokenSource, TokenValue } from "./source";

interface Hovered {
  readonly token: number;
  readonly tooltip: Tooltip;
}

const setHovered = StateEffect.define<Hovered | null>();

const hoveredField = StateField.define<Hovered | null>({
  create: () => null,
  update(hovered, transaction) {
    if (transaction.docChanged) hovered = null; // until the pointer moves again
    for (const effect of transaction.effects) if (effect.is(setHovered)) hovered = effect.value;
    return hovered;
  },
  provide: (field) => showTooltip.from(field, (hovered) => hovered?.tooltip ?? null),
});

/** Index of the token that is shown under the pointer, or null. */
function tokenAt(view: EditorView, { target, clientX }: MouseEvent): number | null {
  if (!(target instanceof Element)) return null;
  const sign = target.closest<HTMLElement>("[data-token]");
  if (sign !== null) return Number(sign.dataset.token);
  const mark = target.closest(".neuro-token");
  if (mark === null || !view.contentDOM.contains(mark)) return null;
  const from = view.posAtDOM(mark);
  const to = Math.max(from + 1, view.posAtDOM(mark, mark.childNodes.length));
  const cell = cellsOf(view.state.field(pictureField).tokens, from, view.state.sliceDoc(from, to))[0];
  if (cell === undefined) return null;
  // Tokens that share a character share its width, as their stripes do.
  const { left, width } = mark.getBoundingClientRect();
  const parts = cell.last - cell.first + 1;
  return cell.first + Math.max(0, Math.min(parts - 1, Math.floor(((clientX - left) / width) * parts)));
}

function tokenTooltip(source: TokenSource, { state }: EditorView, index: number): Tooltip {
  return {
    pos: Math.min(state.field(pictureField).tokens.at(index).from, state.doc.length),
    above: true,
    create: (view): TooltipView => {
      const dom = document.createElement("div");
      dom.className = "neuro-tooltip";
      dom.translate = false;
      dom.dataset.testid = "token-tooltip";
      const render = (): void => { dom.replaceChildren(...tooltipContent(source, view, index)); };
      render();
      return { dom, update: render, offset: { x: 0, y: 4 } };
    },
  };
}

function element(tag: string, className: string, text: string): HTMLElement {
  const dom = document.createElement(tag);
  dom.className = className;
  dom.textContent = text;
  return dom;
}

/** From this many neurons on, their values are in several columns. */
const MANY = 14;
/** Of more than these, only the strongest are listed, and the one in focus. */
const MOST = 36;

function tooltipContent(source: TokenSource, view: EditorView, index: number): HTMLElement[] {
  const { tokens } = view.state.field(pictureField);
  if (index >= tokens.length) return [];
  const token = tokens.at(index);
  const place = token.special ? "" : ` · ${token.from}–${token.to}`;
  const head = element("div", "neuro-tooltip-head", "");
  head.append(
    element("span", "neuro-tooltip-text", visibleText(token.text)),
    element("span", "neuro-tooltip-facts", `token ${index} · id ${token.id}${place}`),
  );
  const note = source.note?.(index) ?? null;
  const words = [...explainToken(tokens, index, (from, to) => view.state.sliceDoc(from, to)), ...(note === null ? [] : [note])]
    .map((sentence) => element("div", "neuro-tooltip-words", sentence));
  const all = source.valuesAt(index);
  const rows = worthListing(all).map(({ key, hue, value, bucket, focused, compared }) => {
    const row = element("div", `neuro-tooltip-row ${hueClass(hue)} ${focused ? "neuro-focused" : ""}`, "");
    row.append(
      element("span", `neuro-swatch ${classOf(bucket)}`, ""),
      element("span", "neuro-tooltip-key", key),
      element("span", "neuro-tooltip-value", formatValue(value)),
    );
    if (compared !== undefined) row.append(element("span", "neuro-tooltip-difference", compared === null ? "" : `Δ ${formatDifference(compared.difference)}`));
    return row;
  });
  const list = element("div", rows.length > MANY ? "neuro-tooltip-rows neuro-many" : "neuro-tooltip-rows", "");
  list.append(...rows);
  const left = all.length - rows.length;
  return [head, ...words, list, ...(left === 0 ? [] : [element("div", "neuro-tooltip-words", `and ${left} weaker ones`)])];
}

function worthListing(values: readonly TokenValue[]): readonly TokenValue[] {
  if (values.length <= MOST) return values;
  const size = ({ bucket, focused }: TokenValue): number => (focused ? Infinity : bucket === NO_VALUE ? -1 : Math.abs(bucket));
  const listed = new Set([...values].sort((a, b) => size(b) - size(a)).slice(0, MOST));
  return values.filter((value) => listed.has(value));
}

export function tokenHover(source: TokenSource): Extension {
  const report = (view: EditorView, token: number | null): void => {
    if ((view.state.field(hoveredField)?.token ?? null) === token) return;
    view.dispatch({ effects: setHovered.of(token === null ? null : { token, tooltip: tokenTooltip(source, view, token) }) });
    source.hover(token);
  };
  /** The token that was reported last. Several editors may share one cursor, so only what happens here is reported. */
  let reported: number | null = null;
  return [
    hoveredField,
    ViewPlugin.define(() => ({
      update(update: ViewUpdate) {
        const picture = update.state.field(pictureField);
        if (!update.docChanged && !update.selectionSet && update.startState.field(pictureField) === picture) return;
        const { tokens } = picture;
        const { main } = update.state.selection;
        const covering = tokens.covering(Math.max(0, main.head - 1));
        const index = covering < 0 ? null : covering;
        if (update.docChanged || update.selectionSet || index !== reported) {
          reported = index;
          source.caret(index, main.empty ? null : tokens.overlapping(main.from, main.to));
        }
        if (update.startState.field(hoveredField) !== null && update.state.field(hoveredField) === null) source.hover(null);
      },
    }), {
      eventHandlers: {
        mousemove(event, view) {
          // While a button is down, a selection is being made.
          report(view, event.buttons === 0 ? tokenAt(view, event) : null);
        },
        mouseleave(_event, view) { report(view, null); },
        mousedown(_event, view) { report(view, null); },
      },
    }),
  ];
}
