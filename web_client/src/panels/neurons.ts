/**
 * All subscribed neurons, one row each, and the field that adds more.
 *
 * Only rows near the visible part exist as elements, at computed positions (see windowing.ts), and always the one in
 * focus. The list is one Tab stop: that row, with its controls. Arrow keys move within it.
 */
import { css, html, nothing, type PropertyDeclarations, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { parseNeurons } from "../client";
import { visibleText } from "../editor/format";
import { keysOf, LIST } from "../workbench";
import { comparedHeads } from "./compare-row";
import { RowDrag } from "./drag";
import { MAC } from "./keys";
import { Panel } from "./panel";
import { DETAIL, ROW, rowStyles, rowTemplate } from "./row";
import { base, bucketStyles } from "./styles";
import { indexAt, type ListShape, offsetOf, windowOf } from "./windowing";

/** Extra rows above and below the visible part, which a scroll shows before it can be handled. */
const SPARE = 5;

const sorts = [["max", "Strongest first"], ["name", "By layer and number"], ["added", "As added"]] as const;

export class NeuronsPanel extends Panel {
  static override properties: PropertyDeclarations = { problem: { state: true } };
  static override styles = [base, bucketStyles, ...rowStyles, css`
    :host { display: flex; flex-direction: column; min-height: 0; container-type: inline-size; }
    header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 8px; padding: 10px 14px 9px; border-bottom: 1px solid var(--line); }
    h2 { font-size: 13px; font-weight: 650; margin: 0; white-space: nowrap; }
    form { display: flex; gap: 6px; margin-left: auto; min-width: 0; }
    form input { width: 116px; }
    .sort { width: 56px; padding: 3px 0; background: none; border-color: transparent; color: var(--muted); font-size: 12.5px; }
    .problem { flex-basis: 100%; font-size: 12.5px; color: var(--warning); }
    .heads {
      display: flex; gap: 6px; align-items: baseline; padding: 4px 30px 4px 24px; font-size: 12px; color: var(--muted);
      border-bottom: 1px solid var(--line); white-space: nowrap; overflow: hidden;
    }
    .heads .mono { color: var(--text); font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: pre; }
    .heads .end { margin-left: auto; }
    .list { overflow-y: auto; flex: 1; min-height: 0; scrollbar-gutter: stable; overflow-anchor: none; }
    @media (max-width: 820px) { .list { overflow-y: visible; } } /* the page scrolls */
    ul { list-style: none; margin: 0; padding: 0; }
    .rows { position: relative; }
    .empty { padding: 22px 16px; color: var(--muted); }
    .others { padding-bottom: 16px; }
    .others li { position: relative; height: auto; }
    .others .absent-head { display: flex; align-items: center; gap: 8px; padding: 10px 10px 6px 16px; font-size: 12px; color: var(--muted); }
    .absent-head button { margin-left: auto; min-height: 24px; padding: 0 8px; }
    .others .absent { padding: 7px 44px 7px 16px; color: var(--muted); }
    .absent .name { font-weight: 500; text-decoration: line-through; }
    .absent .remove { position: absolute; top: 3px; right: 10px; opacity: 1; width: 28px; padding: 0; }
  `];

  /** Why the typed neurons could not be added. */
  declare problem: string | null;

  #model: string | null = null;
  /** The visible part of the list, px from its top. */
  #seen = { top: 0, bottom: 900 };
  /** Indices of the rows that were rendered last. */
  #rendered: readonly number[] = [];
  #focus: string | null = null;
  readonly #look = (): void => { this.#lookAgain(); };
  readonly #resized = new ResizeObserver(this.#look);
  readonly #drag = new RowDrag({
    keys: () => this.workbench.rows.keys,
    top: () => this.#list?.getBoundingClientRect().top ?? 0,
    place: (offset) => indexAt(this.#shape, offset),
    move: (key, index) => { this.workbench.rows.move(key, index); },
    scroller: () => this.#scroller,
    changed: () => { this.requestUpdate(); },
    height: ROW,
  });

  constructor() {
    super();
    this.problem = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("scroll", this.#look, { passive: true, capture: true });
    addEventListener("resize", this.#look);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("scroll", this.#look, { capture: true });
    removeEventListener("resize", this.#look);
    this.#resized.disconnect();
    this.#drag.cancel();
  }

  protected override firstUpdated(): void {
    this.#resized.observe(this);
  }

  /** An input that was wrong for one model may be right for the next. */
  protected override willUpdate(): void {
    const id = this.workbench.client.model?.id ?? null;
    if (id !== this.#model) this.problem = null;
    this.#model = id;
  }

  protected override updated(): void {
    const { focus } = this.workbench.rows;
    if (focus !== this.#focus) this.#showFocus();
    this.#focus = focus;
    this.#lookAgain();
  }

  override render(): TemplateResult {
    const { workbench, problem } = this;
    const { keys, absent } = workbench.rows;
    return html`
      <header>
        <h2 id="title" translate="no">${keys.length === 1 ? "1 neuron" : `${keys.length} neurons`}</h2>
        ${keys.length < 2 ? nothing : html`
          <select class="sort" data-testid="sort" aria-label="Sort the rows" @change=${this.#sort}>
            <option value="" selected>Sort</option>${sorts.map(([name, title]) => html`<option value=${name}>${title}</option>`)}
          </select>`}
        <form @submit=${this.#add}>
          <input name="neuron" data-testid="add-neuron" aria-label="Add neurons, such as L3N42 or 3/42" placeholder="L3N42 or 3/42"
            autocomplete="off" spellcheck="false" aria-invalid=${String(problem !== null)}
            aria-describedby=${problem === null ? nothing : "problem"} @input=${this.#typing}>
          <button data-testid="add-button">Add</button>
        </form>
        <p id="problem" translate="no" class="problem" role="alert" data-testid="add-problem" ?hidden=${problem === null}>${problem}</p>
      </header>
      ${keys.length === 0 ? html`<p class="empty">Add a neuron to see where it fires: type its layer and number.</p>` : this.#heads()}
      <div class="list ${workbench.late ? "waiting" : ""}" @scroll=${this.#look} @keydown=${this.#key}>
        ${keys.length === 0 ? nothing : this.#rows()}
        ${absent.length === 0 ? nothing : this.#absent(absent)}
      </div>`;
  }

  /** Column heads: the token whose values the rows show, and the extremes. */
  #heads(): TemplateResult {
    const { comparison, cursor, document, hovered } = this.workbench;
    if (comparison !== null) return comparedHeads(comparison);
    const token = cursor === null ? null : document.tokens.at(cursor);
    return html`<div class="heads" translate="no" data-testid="cursor">
      ${token === null ? html`<span>point at a token to see its values</span>` : html`
        <span>${hovered === null ? "at the caret" : "at the pointer"}</span>
        <span translate="no" class="mono">${visibleText(token.text)}</span>
        <span translate="no" class="number">token ${cursor}</span>`}
      <span class="end">max and min</span></div>`;
  }

  get #shape(): ListShape {
    const { focus, keys } = this.workbench.rows;
    // While dragging all rows have the same height: none opens under the pointer.
    const opened = focus === null || this.#drag.key !== null ? -1 : keys.indexOf(focus);
    return { count: keys.length, height: ROW, opened, more: DETAIL };
  }

  #rows(): TemplateResult {
    const { workbench } = this;
    const { list, keys } = workbench.rows;
    const shape = this.#shape;
    const kept = [workbench.rows.focus, this.#drag.key].map((key) => (key === null ? -1 : keys.indexOf(key)));
    this.#rendered = windowOf(shape, this.#seen.top, this.#seen.bottom, SPARE, kept);
    const pinned = list.filter((row) => row.pinned).length;
    const rows = this.#drag.inOrder(this.#rendered.map((index) => ({ index, row: list[index] as (typeof list)[number] })), ({ row }) => row.key);
    return html`
      <ul class="rows" aria-labelledby="title" data-testid="neurons" .style=${`height: ${offsetOf(shape, list.length)}px`}>
        ${repeat(rows, ({ row }) => row.key, ({ index, row }) => rowTemplate(workbench, row, {
          index, count: list.length, opened: index === shape.opened, dragged: row.key === this.#drag.key,
          top: row.key === this.#drag.key ? this.#drag.top : offsetOf(shape, index), lastPinned: index === pinned - 1 && pinned < list.length,
        }, { grab: this.#grab }))}
      </ul>`;
  }

  readonly #grab = (event: PointerEvent, key: string): void => {
    this.#drag.begin(event, key);
  };

  /** Neurons that this model lacks. */
  #absent(keys: readonly string[]): TemplateResult {
    const { workbench } = this;
    return html`
      <ul class="others" aria-label="Not in this model">
        <li class="absent-head"><span>Not in this model; kept for one that has ${keys.length === 1 ? "it" : "them"}</span>
          <button data-testid="remove-absent" @click=${() => { workbench.rows.removeAbsent(); }}>Remove</button></li>
        ${keys.map((key) => html`
          <li class="absent" data-testid="absent-neuron" data-absent=${key}><span translate="no" class="name number">${key}</span>
            <button class="remove quiet" tabindex="-1" aria-label="Remove ${key}" title="Remove ${key}"
              @click=${() => { workbench.rows.remove(key); }}>×</button></li>`)}
      </ul>`;
  }

  // ------------------------------------------------------------------ what is seen

  get #list(): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>(".rows");
  }

  /** The list's scroll container; null if the page scrolls. */
  get #scroller(): HTMLElement | null {
    const list = this.renderRoot.querySelector<HTMLElement>(".list");
    return list === null || getComputedStyle(list).overflowY === "visible" ? null : list;
  }

  /** Render again if visible rows are missing. */
  #lookAgain(): void {
    const list = this.#list;
    if (list === null) return;
    const frame = this.#scroller?.getBoundingClientRect();
    const { top } = list.getBoundingClientRect();
    this.#seen = { top: Math.max(0, frame?.top ?? 0) - top, bottom: Math.min(innerHeight, frame?.bottom ?? Infinity) - top };
    // Add rows only after half of the spare ones are used up.
    const needed = windowOf(this.#shape, this.#seen.top, this.#seen.bottom, SPARE >> 1, []);
    if (!needed.every((index) => this.#rendered.includes(index))) this.requestUpdate();
  }

  /** Scroll the list, never the page, to the row in focus. */
  #showFocus(): void {
    const scroller = this.#scroller;
    const shape = this.#shape;
    if (scroller === null || shape.opened < 0) return;
    const top = offsetOf(shape, shape.opened);
    const bottom = offsetOf(shape, shape.opened + 1);
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = bottom - scroller.clientHeight;
  }

  // ------------------------------------------------------------------ verbs

  readonly #sort = (event: Event): void => {
    const select = event.target as HTMLSelectElement;
    this.workbench.commands.run(`rows.sort.${select.value}`);
    select.value = "";
  };

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
      this.problem = "Enter a layer and a neuron, such as L3N42 or 3/42.";
      return;
    }
    input.value = "";
    void this.#await(keys);
  };

  /** Add neurons, scroll to the last one, and show what the server refuses. */
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
    const { rows, commands } = this.workbench;
    if (event.composedPath().some((target) => target instanceof HTMLInputElement)) return;
    const row = (event.target as Element).closest<HTMLElement>("li")?.dataset.key;
    const keys = event.key === "Backspace" ? "Delete" : keysOf(event, MAC);
    const end = keys === "Home" ? -Infinity : keys === "End" ? Infinity : 0;
    const id = commands.idIn(LIST, keys);
    if ((row === undefined && keys !== "Mod-z") || (id === undefined && end === 0)) return;
    if (row !== undefined) rows.setFocus(row);
    if (id === undefined) rows.moveFocus(end);
    else if (!commands.run(id)) return;
    event.preventDefault();
    // Keep the focus on the row in focus, which may be a new element.
    void this.#keepKeyboard();
  };

  async #keepKeyboard(): Promise<void> {
    this.requestUpdate();
    await this.updateComplete;
    const row = this.renderRoot.querySelector<HTMLElement>("li.focused .row");
    (row ?? this.renderRoot.querySelector<HTMLElement>("form input"))?.focus({ preventScroll: this.#scroller !== null });
  }
}
