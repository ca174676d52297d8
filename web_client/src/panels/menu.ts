/** A button in the top bar that opens a menu of commands. */
import { css, html, nothing, type PropertyDeclarations, type TemplateResult } from "lit";
import type { Command } from "../workbench";
import { keyCaps } from "./keys";
import { Panel } from "./panel";
import { base } from "./styles";

/** Least room between a menu and the edge of the window, in pixels. */
const EDGE = 8;

export class MenuButton extends Panel {
  static override properties: PropertyDeclarations = {
    ...Panel.properties,
    label: {},
    groups: { attribute: false },
    open: { state: true },
  };
  static override styles = [base, css`
    :host { position: relative; }
    .opener { white-space: nowrap; }
    .opener::after { content: ""; display: inline-block; margin: 0 0 2px 6px; border: solid currentcolor; border-width: 0 1.5px 1.5px 0; padding: 2px; rotate: 45deg; }
    .opener[aria-expanded="true"] { background: var(--hover); color: var(--text); }
    [role="menu"] {
      position: absolute; inset: calc(100% + 4px) 0 auto auto; z-index: 25; min-width: 200px; max-width: calc(100vw - 16px);
      max-height: calc(100dvh - 80px); overflow-y: auto;
      background: var(--page); border: 1px solid var(--line); border-radius: 6px; padding: 4px 0;
    }
    [role="menu"]:focus { outline: none; }
    [role="group"] + [role="group"] { border-top: 1px solid var(--line); margin-top: 4px; padding-top: 4px; }
    .heading { padding: 4px 14px 2px; font-size: 11px; color: var(--muted); }
    [role^="menuitem"] {
      display: flex; gap: 16px; justify-content: space-between; align-items: baseline; width: 100%; text-align: left; white-space: nowrap;
      border: none; border-radius: 0; background: none; padding: 3px 14px; font-size: 13px;
    }
    [role^="menuitem"]:hover:not(:disabled), [role^="menuitem"]:focus-visible { background: var(--hover); }
    [role^="menuitem"]:focus-visible { outline-offset: -2px; }
    [role="menuitemradio"] { padding-left: 28px; position: relative; }
    [aria-checked="true"]::before { content: ""; position: absolute; left: 14px; top: 50%; translate: 0 -50%; width: 6px; height: 6px; border-radius: 50%; background: var(--accent); }
    kbd { font: inherit; color: var(--muted); }
  `];
  declare label: string;
  declare groups: readonly string[];
  declare open: boolean;
  #typed = "";
  #typedAt = -Infinity;

  constructor() {
    super();
    this.open = false;
  }

  override render(): TemplateResult {
    return html`
      <button class="opener quiet" aria-haspopup="menu" aria-expanded=${this.open} data-testid="menu-${this.label.toLowerCase()}"
        @mousedown=${keepFocus} @click=${this.#toggle} @keydown=${this.#openerKey}>${this.label}</button>
      ${this.open ? html`
        <div role="menu" tabindex="-1" aria-label=${this.label} @mousedown=${keepFocus} @keydown=${this.#key} @focusout=${this.#left}>
          ${this.groups.map((group) => this.#group(group))}
        </div>` : nothing}`;
  }

  #group(group: string): TemplateResult | typeof nothing {
    const commands = this.workbench.commands.list.filter((command) => command.group === group);
    return commands.length === 0 ? nothing : html`
      <div role="group" aria-label=${group}>
        ${group === this.label || commands.length === 1 ? nothing : html`<div class="heading" aria-hidden="true">${group}</div>`}
        ${commands.map((command) => this.#item(command))}
      </div>`;
  }

  #item({ id, title, enabled, checked, keys }: Command): TemplateResult {
    const disabled = enabled?.() === false;
    return html`<button role=${checked === undefined ? "menuitem" : "menuitemradio"} tabindex="-1" data-testid="command" data-command=${id}
      aria-checked=${checked === undefined ? nothing : checked()} aria-disabled=${disabled} ?disabled=${disabled}
      @click=${() => { this.#run(id); }}>${title}${keys === undefined ? nothing : keyCaps(keys)}</button>`;
  }

  get #items(): HTMLElement[] {
    return [...this.renderRoot.querySelectorAll<HTMLElement>("[role^=menuitem]:not(:disabled)")];
  }

  /** Opened with the keyboard, the first item gets the focus; opened with a pointer, the menu itself. */
  readonly #toggle = (event: MouseEvent): void => {
    if (this.open) this.#close();
    else this.#show(event.detail === 0 ? 0 : null);
  };

  /** Open with the focus on an item, counted from the start, or from the end if negative. */
  #show(index: number | null): void {
    this.open = true;
    void this.updateComplete.then(() => {
      const menu = this.renderRoot.querySelector<HTMLElement>("[role=menu]");
      if (menu === null) return;
      // It is aligned with its button's right end; on a narrow screen it may cross the left edge.
      menu.style.translate = `${Math.max(0, EDGE - menu.getBoundingClientRect().left)}px`;
      ((index === null ? null : this.#items.at(index)) ?? menu).focus();
    });
  }

  #close(): void {
    this.open = false;
    this.renderRoot.querySelector<HTMLElement>(".opener")?.focus();
  }

  #run(id: string): void {
    this.#close(); // first, so that what the command focuses keeps the focus
    this.workbench.commands.run(id);
  }

  readonly #openerKey = (event: KeyboardEvent): void => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    this.#show(event.key === "ArrowDown" ? 0 : -1);
  };

  readonly #key = (event: KeyboardEvent): void => {
    const items = this.#items;
    const at = items.indexOf(this.shadowRoot?.activeElement as HTMLElement);
    const next = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: -1 }[event.key];
    if (next !== undefined) items.at(next % items.length)?.focus();
    else if (event.key === "Escape") this.#close();
    else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) this.#seek(event, items, at);
    else return; // Tab leaves, Enter and space press the button
    event.preventDefault();
    event.stopPropagation();
  };

  /** Go to the next item that begins with what was just typed. */
  #seek({ key, timeStamp }: KeyboardEvent, items: readonly HTMLElement[], at: number): void {
    this.#typed = timeStamp - this.#typedAt < 800 ? this.#typed + key.toLowerCase() : key.toLowerCase();
    this.#typedAt = timeStamp;
    const start = this.#typed.length > 1 ? at : at + 1;
    const inOrder = [...items.slice(start), ...items.slice(0, start)];
    inOrder.find((item) => item.textContent.trim().toLowerCase().startsWith(this.#typed))?.focus();
  }

  /** Close when the focus goes elsewhere. */
  readonly #left = (event: FocusEvent): void => {
    if (!this.renderRoot.contains(event.relatedTarget as Node | null)) this.open = false;
  };
}

/** Browsers differ in whether a pressed button gets the focus; here the menu decides. */
function keepFocus(event: Event): void {
  event.preventDefault();
}
