/** One view of a widget: the editor, with the neurons and a status line above it. */
import { EditorState } from "@codemirror/state";
import { EditorView, tooltips } from "@codemirror/view";
import { css, html, nothing, render, type TemplateResult } from "lit";
import { parseNeurons } from "../client";
import { editorBasics } from "../embed/basics";
import { look, neuronButton } from "../embed/look";
import { changesOf, tokenEditor, wellFormedInput } from "../editor";
import type { WidgetModel } from "./model";
import { followScheme } from "./scheme";
import { type Looks, WidgetSource } from "./source";
import { followKernel, getSyncedVersion, unconfirmed } from "./sync";

const styles = [...look, css`
  .frame { display: flex; flex-direction: column; min-height: 0; }
  .frame .cm-editor { max-height: 480px; }
  .frame .cm-scroller { overflow-y: auto; }
  .chip { display: flex; align-items: center; border-radius: 6px; }
  .chip:hover, .chip:focus-within { background: var(--hover); }
  .chip .remove { padding: 0 6px; color: var(--muted); }
  form { display: flex; }
  form input { width: 13ch; min-height: 26px; font-size: 12px; border-color: transparent; background: none; }
  form input:is(:hover, :focus) { border-color: var(--line); }
`];

/** A kernel does not read messages while it runs a cell. */
const BUSY_MS = 1500;

/** Show the widget in `element`; returns a function that removes it. */
export function show(model: WidgetModel, looks: Looks, element: HTMLElement): () => void {
  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = styles.map(({ styleSheet }) => styleSheet as CSSStyleSheet);
  const bar = document.createElement("div");
  bar.className = "bar";
  const frame = document.createElement("div");
  frame.className = "frame";
  root.append(bar, frame);
  element.append(host);

  // Notebooks clip what sticks out of a cell's output, as tooltips do, so those have a place outside it.
  const outside = document.createElement("div");
  outside.style.cssText = "position: absolute; inset: 0 auto auto 0; width: 0; height: 0; border: none; overflow: visible";
  const outsideRoot = outside.attachShadow({ mode: "open" });
  const outsideBox = document.createElement("div");
  outsideRoot.append(outsideBox);
  document.body.append(outside);

  const author = Math.random().toString(36).slice(2);
  const view = new EditorView({ parent: frame, root });
  const source = new WidgetSource(model, looks, () => ({ revision: getSyncedVersion(view.state), unconfirmed: unconfirmed(view.state) }));
  let refused: string | null = null;
  let busy: ReturnType<typeof setTimeout> | null = null;
  let isBusy = false;

  const start = (text: string, revision: number): void => {
    view.setState(EditorState.create({
      doc: text,
      extensions: [
        editorBasics,
        EditorState.lineSeparator.of("\n"), // one line break is one character on both sides
        wellFormedInput,
        tokenEditor(source),
        tooltips({ parent: outsideBox }),
        followKernel({ model, author, begin: start }, revision),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged && getSyncedVersion(update.startState) === getSyncedVersion(update.state)) return;
          source.edited(changesOf(update.changes));
          watch();
        }),
      ],
    }));
    outsideRoot.adoptedStyleSheets = [...root.adoptedStyleSheets]; // now including the editor's
    source.begin();
  };

  /** If the kernel does not confirm what was typed soon, it is busy. */
  const watch = (): void => {
    if (unconfirmed(view.state) !== null) {
      busy ??= setTimeout(() => { isBusy = true; draw(); }, BUSY_MS);
      return;
    }
    if (busy !== null) clearTimeout(busy);
    busy = null;
    if (isBusy) {
      isBusy = false;
      draw();
    }
  };

  const want = (neurons: readonly string[], focus?: string): void => {
    model.set("neurons", [...neurons]);
    if (focus !== undefined) model.set("focus", focus);
    model.save_changes();
  };

  const add = (event: SubmitEvent): void => {
    event.preventDefault();
    const field = (event.target as HTMLFormElement).elements[0] as HTMLInputElement;
    const { keys, problem } = parseNeurons(field.value);
    refused = problem;
    if (problem === null) {
      field.value = "";
      want([...new Set([...model.get("neurons"), ...keys])]);
    }
    draw();
  };

  const draw = (): void => {
    const { cursor, focus, keys } = source;
    render(html`
      ${keys.map((key) => html`<span class="chip">${neuronButton({
        key, hue: source.hue(key), focused: key === focus, value: cursor === null ? null : source.values(key)[cursor] ?? NaN,
      }, () => { model.set("focus", key); model.save_changes(); })}
        <button class="quiet remove" aria-label=${`Remove ${key}`} title=${`Remove ${key}`}
          @click=${() => { want(model.get("neurons").filter((other) => other !== key)); }}>×</button></span>`)}
      <form @submit=${add}><input aria-label="Add neurons" placeholder="+ L3N42" aria-invalid=${String(refused !== null)}></form>
      ${status()}`, bar);
  };

  const status = (): TemplateResult => {
    const state = model.get("status");
    const words = refused ?? (isBusy ? "The kernel is busy or gone. What you type is sent when it answers." : model.get("problem") || says(state, model));
    return html`<p class="status" role="status" data-testid="status" data-state=${state}>${words === "" ? nothing : words}</p>`;
  };

  start(model.get("text"), model.get("_revision"));
  const stops = [keepKeys(host), followScheme(host, outside), source.on("change", draw), () => { source.destroy(); }, () => { view.destroy(); }];
  draw();
  return () => {
    if (busy !== null) clearTimeout(busy);
    for (const stop of stops) stop();
    outside.remove();
    host.remove();
  };
}

/** Keep keys that are typed into `host` from being notebook commands, except to save. Returns what ends that. */
function keepKeys(host: HTMLElement): () => void {
  const before = (key: KeyboardEvent): void => {
    if (!key.composedPath().includes(host)) return;
    // JupyterLab looks for commands before any element gets the key, except where this attribute is set.
    host.toggleAttribute("data-lm-suppress-shortcuts", !((key.ctrlKey || key.metaKey) && key.key === "s"));
  };
  window.addEventListener("keydown", before, { capture: true });
  for (const event of ["keydown", "keypress", "keyup"] as const) {
    host.addEventListener(event, (key) => { if (!key.ctrlKey && !key.metaKey) key.stopPropagation(); });
  }
  return () => { window.removeEventListener("keydown", before, { capture: true }); };
}

function says(state: string, model: WidgetModel): string {
  switch (state) {
    case "connecting": return "Connecting";
    case "closed": return "Closed";
    default: return model.get("model");
  }
}
