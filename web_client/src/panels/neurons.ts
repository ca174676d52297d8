/**
 * All subscribed neurons: a row each, and the field that adds some.
 *
 * The list is one stop of the Tab key: the row in focus. Arrow keys go on from there, Delete removes.
 */
import { css, html, nothing, type PropertyDeclarations, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { parseNeurons } from "../client";
import { classOf, hueClass } from "../colour/palette";
import { bucketOf } from "../colour/scale";
import { formatValue, visibleText } from "../editor/format";
import { Panel } from "./panel";
import { base, bucketStyles } from "./styles";

export class NeuronsPanel extends Panel {
  static override properties: PropertyDeclarations = { problem: { state: true } };
  static override styles = [base, bucketStyles, css`
    :host { display: flex; flex-direction: column; min-height: 0; }
    header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; padding: 12px 16px 10px; border-bottom: 1px solid var(--line); }
    h2 { font-size: 13px; font-weight: 650; margin: 0; white-space: nowrap; }
    form { display: flex; gap: 6px; margin-left: auto; }
    form input { width: 128px; }
    .problem { flex-basis: 100%; font-size: 12.5px; color: var(--warning); }
    .heads {
      display: flex; gap: 8px; align-items: baseline; padding: 5px 59px 5px 16px; font-size: 12px; color: var(--muted);
      border-bottom: 1px solid var(--line); white-space: nowrap; overflow: hidden;
    }
    .heads .mono { color: var(--text); font-weight: 600; overflow: hidden; text-overflow: ellipsis; }
    .heads .end { margin-left: auto; }
    ul { list-style: none; margin: 0; padding: 0 0 16px; overflow-y: auto; flex: 1; scrollbar-gutter: stable; }
    li { position: relative; border-bottom: 1px solid var(--line); }
    li.focused { background: var(--selected); }
    li::before { content: ""; position: absolute; inset: 0 auto 0 0; width: 3px; background: var(--neuro-ink); }
    li.focused::before { width: 6px; }
    .row {
      display: grid; grid-template-columns: minmax(78px, auto) 62px 1fr; align-items: baseline; gap: 1px 10px;
      width: 100%; text-align: left; border: none; border-radius: 0; background: none; padding: 7px 44px 0 16px; min-height: 0;
    }
    .row:focus-visible { outline-offset: -2px; }
    li:hover, li.pointed { background: var(--hover); }
    li.focused:is(:hover, .pointed) { background: var(--selected); }
    li.pointed .name { text-decoration: underline; text-decoration-color: var(--neuro-ink); text-underline-offset: 3px; }
    .name { font-weight: 650; font-size: 14px; }
    .here { padding: 0 6px; border-radius: 4px; text-align: right; font-size: 13px; }
    .peak { display: flex; justify-content: flex-end; gap: 7px; min-width: 0; font-size: 12.5px; color: var(--muted); white-space: nowrap; }
    .peak .mono { color: var(--text); overflow: hidden; text-overflow: ellipsis; white-space: pre; max-width: 130px; }
    .peak .number { color: var(--text); min-width: 44px; text-align: right; }
    neuro-strip { margin: 3px 16px 6px; cursor: pointer; }
    .remove { position: absolute; top: 3px; right: 10px; padding: 0; width: 28px; min-height: 28px; font-size: 15px; line-height: 1; }
    .empty { padding: 22px 16px; color: var(--muted); }
    .waiting .here, .waiting .peak { opacity: .55; }
    .absent-head { display: flex; align-items: center; gap: 8px; padding: 10px 10px 6px 16px; font-size: 12px; color: var(--muted); }
    .absent-head button { margin-left: auto; min-height: 24px; padding: 0 8px; }
    li.absent { padding: 7px 44px 7px 16px; color: var(--muted); }
    li.absent .name { font-weight: 500; text-decoration: line-through; }
  `];

  /** Why what was typed into the field could not be added. */
  declare problem: string | null;

  #model: string | null = null;

  constructor() {
    super();
    this.problem = null;
  }

  /** What was wrong with one model may be right with the next. */
  protected override willUpdate(): void {
    const id = this.workbench.client.model?.id ?? null;
    if (id !== this.#model) this.problem = null;
    this.#model = id;
  }

  override render(): TemplateResult {
    const { workbench, problem } = this;
    const { keys, absent } = workbench.rows;
    return html`
      <header>
        <h2 id="title">${keys.length === 1 ? "1 neuron" : `${keys.length} neurons`}</h2>
        <form @submit=${this.#add}>
          <input name="neuron" data-testid="add-neuron" aria-label="Add neurons, as L3N42 or 3/42" placeholder="L3N42 or 3/42"
            autocomplete="off" spellcheck="false" aria-invalid=${String(problem !== null)}
            aria-describedby=${problem === null ? nothing : "problem"} @input=${this.#typing}>
          <button data-testid="add-button">Add</button>
        </form>
        <p id="problem" class="problem" role="alert" data-testid="add-problem" ?hidden=${problem === null}>${problem}</p>
      </header>
      ${keys.length === 0 ? "" : this.#heads()}
      ${keys.length === 0 ? html`<p class="empty">Add a neuron to see where it fires: type its layer and number.</p>` : ""}
      ${keys.length + absent.length === 0 ? "" : html`
        <ul aria-labelledby="title" class=${workbench.late ? "waiting" : ""} data-testid="neurons" @keydown=${this.#key}>
          ${repeat(keys, (key) => key, (key) => this.#row(key))}
          ${absent.length === 0 ? "" : this.#absent(absent)}
        </ul>`}`;
  }

  /** Heads of the columns: the token whose values the rows give, and the strongest one. */
  #heads(): TemplateResult {
    const { cursor, document, hovered } = this.workbench;
    const token = cursor === null ? null : document.tokens.at(cursor);
    return html`<div class="heads" data-testid="cursor">
      ${token === null ? html`<span>point at a token for its values</span>` : html`
        <span>${hovered === null ? "at the caret" : "at the pointer"}</span>
        <span class="mono">${visibleText(token.text)}</span>
        <span class="number">token ${cursor}</span>`}
      <span class="end">strongest</span></div>`;
  }

  #row(key: string): TemplateResult {
    const { workbench } = this;
    const { cursor, document } = workbench;
    const focused = key === workbench.rows.focus;
    const extent = document.activations.extent(key);
    const here = cursor === null ? NaN : workbench.value(key, cursor);
    const shade = classOf(bucketOf(here, workbench.scale(key)));
    const help = `Colour the text by ${key} (← → neighbours, Shift for layers, ↑ ↓ rows, Delete removes)`;
    const peak = extent === null ? "" : visibleText(document.tokens.at(extent.maxAt).text);
    return html`
      <li class="${hueClass(workbench.rows.get(key)?.hue ?? 0)} ${focused ? "focused" : ""} ${key === workbench.rows.pointed ? "pointed" : ""}"
        data-testid="neuron-row" data-key=${key} @pointerenter=${() => { workbench.rows.point(key); }} @pointerleave=${() => { workbench.rows.point(null); }}>
        <button class="row" aria-pressed=${focused} tabindex=${focused ? "0" : "-1"} title=${help}
          @click=${() => { workbench.rows.setFocus(key); }}>
          <span class="name number" data-testid="neuron-name">${key}</span>
          ${cursor === null ? html`<span></span>` : html`
            <span class="here number ${shade}" data-testid="value-here">${formatValue(here)}</span>`}
          <span class="peak"><span class="sr">strongest at</span>
            <span class="mono" data-testid="max-token">${peak}</span>
            <span class="number" data-testid="max-value">${formatValue(extent?.max ?? NaN)}</span></span>
        </button>
        <neuro-strip data-testid="strip" .workbench=${workbench} .neuron=${key} @click=${() => { this.#jump(key); }}></neuro-strip>
        <button class="remove quiet" tabindex="-1" data-testid="remove" aria-label="Remove ${key}" title="Remove ${key} (Delete)"
          @click=${() => { workbench.rows.remove(key); }}>×</button>
      </li>`;
  }

  /** Those that wait for a model that has them. */
  #absent(keys: readonly string[]): TemplateResult {
    const { workbench } = this;
    return html`
      <li class="absent-head"><span>Not in this model, back with one that has ${keys.length === 1 ? "it" : "them"}</span>
        <button data-testid="remove-absent" @click=${() => { workbench.rows.removeAbsent(); }}>Remove</button></li>
      ${keys.map((key) => html`
        <li class="absent" data-testid="absent-neuron" data-absent=${key}><span class="name number">${key}</span>
          <button class="remove quiet" tabindex="-1" aria-label="Remove ${key}" title="Remove ${key}"
            @click=${() => { workbench.rows.remove(key); }}>×</button></li>`)}`;
  }

  /** A click on a strip focuses the row and brings the token under the pointer into view. */
  #jump(key: string): void {
    this.workbench.rows.setFocus(key);
    if (this.workbench.hovered !== null) this.workbench.reveal(this.workbench.hovered);
  }

  readonly #typing = (): void => {
    this.problem = null;
  };

  readonly #add = (event: SubmitEvent): void => {
    event.preventDefault();
    const input = (event.target as HTMLFormElement).elements.namedItem("neuron") as HTMLInputElement;
    const { keys, problem } = parseNeurons(input.value);
    this.problem = problem ?? this.workbench.rows.lacking(keys);
    if (this.problem !== null) return;
    if (keys.length === 0) {
      this.problem = "Name a neuron by layer and number, L3N42 or 3/42.";
      return;
    }
    input.value = "";
    void this.#await(keys);
  };

  /** Add neurons, bring the last one's row into view, and say what the server refuses. */
  async #await(keys: readonly string[]): Promise<void> {
    const added = this.workbench.rows.add(keys);
    this.requestUpdate();
    await this.updateComplete;
    this.renderRoot.querySelector("li.focused")?.scrollIntoView({ block: "nearest" });
    const refusals = await added;
    const [first] = refusals;
    if (first !== undefined) this.problem = refusals.length === 1 ? first : `${first} (and ${refusals.length - 1} more)`;
  }

  readonly #key = (event: KeyboardEvent): void => {
    const { workbench } = this;
    const row = (event.target as Element).closest<HTMLElement>("li")?.dataset.key;
    if (row === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const move = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) workbench.rows.step(row, event.shiftKey ? { layers: step } : { neurons: step });
    else if (move !== 0) workbench.rows.moveFocus(move);
    else if (event.key === "Delete" || event.key === "Backspace") workbench.rows.remove(row);
    else return;
    event.preventDefault();
    // The keyboard stays with the row in focus, which may be a new element.
    void this.#keepKeyboard();
  };

  async #keepKeyboard(): Promise<void> {
    this.requestUpdate();
    await this.updateComplete;
    const row = this.renderRoot.querySelector<HTMLElement>("li.focused .row");
    (row ?? this.renderRoot.querySelector<HTMLElement>("form input"))?.focus();
  }
}
