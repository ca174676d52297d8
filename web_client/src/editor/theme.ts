/**
 * The look of tokens, and of the page's editor. Colours come from custom properties of the page, with defaults for an
 * editor without them.
 */
import { EditorView } from "@codemirror/view";
import { buckets, classOf, HUES, hueClass, hueProperties, washOf } from "../colour/palette";

const bucketRules = Object.fromEntries(buckets.map((bucket) => [`.${classOf(bucket)}`, { backgroundColor: washOf(bucket) }]));
// The editor has the hue of the neuron in focus, a tooltip's row that of its neuron.
const hueRules = Object.fromEntries(Array.from({ length: HUES }, (_, hue) => [`&.${hueClass(hue)}, .${hueClass(hue)}`, hueProperties(hue)]));

const hairline = "1px solid var(--line, GrayText)";
const frame = "inset 0 0 0 1px var(--token-edge, rgb(128 128 128 / .4))";

export const tokenTheme = EditorView.theme({
  // An editor's theme may be dark where the page around it is not.
  "&.neuro-dark": { colorScheme: "dark" },
  // Each token: its colour, and a hairline at its end that takes no room.
  ".neuro-token": { boxShadow: "inset -1px 0 var(--token-edge, light-dark(rgb(0 0 0 / .16), rgb(255 255 255 / .2)))", padding: "3px 0" },
  ".neuro-faded": { "--neuro-fade": ".4" },
  ".neuro-marked": { outline: "2px solid var(--accent, Highlight)", outlineOffset: "-1px", borderRadius: "2px" },
  // Above the tokens: stripes are below them.
  ".neuro-replaced": { textDecoration: "overline 2px var(--accent, Highlight)" },
  ".neuro-alone": { textDecoration: "overline dotted 2px var(--accent, Highlight)" },
  ...hueRules,
  ...bucketRules,
  // In a contrast theme, values keep their colours; everything else follows the theme.
  ".neuro-token, .neuro-sign, .neuro-swatch": { forcedColorAdjust: "none" },
  "@media (forced-colors: active)": { ".neuro-token, .neuro-sign": { color: "CanvasText !important" } },

  ".neuro-sign": { userSelect: "none", color: "var(--muted, GrayText)", cursor: "default" },
  ".neuro-break": { padding: "3px 2px", color: "color-mix(in srgb, var(--text, CanvasText) 65%, transparent)" },
  ".neuro-special, .neuro-segment": {
    font: "600 10px/1.3 var(--sans, system-ui, sans-serif)", letterSpacing: ".04em", padding: "3px 5px", margin: "0 3px",
    color: "var(--text, CanvasText)", borderRadius: "4px", boxShadow: frame, verticalAlign: "1px",
  },
  // Where a new context begins; neither the line nor its label takes room.
  ".neuro-context": { position: "relative" },
  ".neuro-context::before": {
    content: "\"\"", position: "absolute", inset: "0 0 auto", borderTop: "1px dashed var(--muted, GrayText)", pointerEvents: "none",
  },
  ".neuro-context::after": {
    content: "attr(data-context)", position: "absolute", right: "8px", top: "0", transform: "translateY(-50%)", padding: "0 6px",
    font: "11px/1.3 var(--sans, system-ui, sans-serif)", color: "var(--muted, GrayText)", background: "var(--page, Canvas)", pointerEvents: "none",
  },
  ".neuro-parted": { textDecoration: "underline dotted var(--muted, GrayText)", textUnderlineOffset: "3px" },

  ".cm-tooltip.neuro-tooltip": {
    zIndex: "20",
    color: "var(--text, CanvasText)", backgroundColor: "var(--raised, Canvas)", border: hairline, borderRadius: "8px",
    boxShadow: "0 6px 24px rgb(0 0 0 / .16)", padding: "8px 10px", font: "12.5px/1.5 var(--sans, system-ui, sans-serif)",
    maxWidth: "min(620px, calc(100vw - 24px))",
  },
  ".neuro-tooltip-head": { display: "flex", alignItems: "baseline", gap: "10px", marginBottom: "4px" },
  ".neuro-tooltip-text": { font: "600 14px var(--mono, monospace)", whiteSpace: "pre-wrap", overflowWrap: "anywhere" },
  ".neuro-tooltip-facts": { color: "var(--muted, GrayText)", whiteSpace: "nowrap" },
  ".neuro-tooltip-words": { color: "var(--muted, GrayText)", marginBottom: "4px" },
  ".neuro-tooltip-rows": { maxHeight: "45vh", overflow: "hidden" },
  ".neuro-tooltip-rows.neuro-many": { columns: "3 160px", columnGap: "22px" },
  ".neuro-tooltip-rows.neuro-many .neuro-tooltip-row": { breakInside: "avoid" },
  ".neuro-tooltip-row": { display: "flex", alignItems: "center", gap: "7px", fontVariantNumeric: "tabular-nums" },
  ".neuro-tooltip-row.neuro-focused": { fontWeight: "650" },
  ".neuro-swatch": { width: "12px", height: "12px", borderRadius: "3px", boxShadow: frame },
  ".neuro-tooltip-value": { marginLeft: "auto", paddingLeft: "18px" },
  ".neuro-tooltip-difference": { color: "var(--muted, GrayText)", minWidth: "8ch", textAlign: "right" },
});

/** The page's own editor: its text, its margin with the signs of special tokens in it, its search. Stands before `tokenTheme`. */
export const editorTheme = EditorView.theme({
  "&": { color: "var(--text, CanvasText)", backgroundColor: "transparent", fontSize: "var(--editor-size, 16px)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono, ui-monospace, monospace)", lineHeight: "1.9", overflowX: "hidden" },
  ".cm-content": { padding: "14px 0 40vh", caretColor: "var(--text, CanvasText)" },
  ".cm-line": { padding: "0 20px 0 50px" },
  ".cm-cursor": { borderLeftColor: "var(--text, CanvasText)", borderLeftWidth: "2px", marginLeft: "-1px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "var(--selection, light-dark(#cfd6dd, #4a525b))",
  },
  "@media (forced-colors: active)": {
    ".cm-selectionLayer .cm-selectionBackground": { forcedColorAdjust: "none", background: "color-mix(in srgb, Highlight 40%, Canvas) !important" },
  },
  "@media (prefers-reduced-motion: reduce)": { ".cm-cursorLayer": { animation: "none !important" } },
  ".cm-placeholder": { color: "var(--muted, GrayText)" },

  ".neuro-margin": {
    display: "inline-block", width: "34px", marginLeft: "-42px", marginRight: "8px", textAlign: "center", padding: "2px 0",
  },
  // Isolated, as its letters are not part of the surrounding text.
  ".neuro-hidden": {
    unicodeBidi: "isolate", whiteSpace: "nowrap", font: "600 .62em/1 var(--sans, system-ui, sans-serif)", verticalAlign: ".1em",
    padding: "1px 3px", margin: "0 1px", borderRadius: "3px", outline: "1px solid var(--muted, GrayText)", outlineOffset: "-1px", cursor: "text",
  },
  // A tab's sign is within the tab's width.
  ".neuro-tab": { position: "relative" },
  ".neuro-tab::before": {
    content: "\"⇥\"", position: "absolute", left: ".15em", top: "50%", transform: "translateY(-50%)", lineHeight: "1", color: "color-mix(in srgb, var(--text, CanvasText) 45%, transparent)",
    pointerEvents: "none",
  },

  ".cm-panels": { color: "var(--text, CanvasText)", backgroundColor: "var(--raised, Canvas)", border: "none" },
  ".cm-panels-top": { borderBottom: hairline },
  ".cm-panel.cm-search": { font: "13px var(--sans, system-ui, sans-serif)", padding: "6px 44px 6px 12px" },
  ".cm-button, .cm-textfield": {
    background: "var(--page, Canvas)", color: "inherit", border: hairline, borderRadius: "5px", font: "inherit", padding: "3px 8px",
  },
  ".cm-panel.cm-search label": { display: "inline-flex", alignItems: "center", gap: "4px", fontSize: "12.5px", marginRight: "8px" },
  ".cm-panel.cm-search :is(input, button, label)": { verticalAlign: "middle" },
  ".cm-panel.cm-search input[type=checkbox]": { margin: "0", accentColor: "var(--accent, Highlight)" },
  ".cm-panel.cm-search [name=close]": { right: "10px", top: "6px", fontSize: "16px", padding: "2px 8px" },
  ".cm-searchMatch": { backgroundColor: "transparent", outline: "1.5px solid var(--accent, Highlight)" },
  ".cm-searchMatch-selected": { outlineWidth: "2.5px" },
});
