/**
 * A temporary overlay with the keyboard focus. Escape or moving the focus elsewhere closes it and returns the focus.
 * The page behind it can still be used.
 */
import { css } from "lit";
import { Panel } from "./panel";

export const overlayStyles = css`
  :host {
    position: fixed; z-index: 40; inset: max(8px, 9dvh) 0 auto; margin: 0 auto; width: min(600px, calc(100vw - 16px));
    max-height: min(560px, 82dvh); display: flex; flex-direction: column; overflow: hidden;
    background: var(--field); color: var(--text); border: 1px solid var(--axis); border-radius: 10px;
  }
  kbd { font: inherit; font-size: 12px; color: var(--muted); white-space: nowrap; font-variant-numeric: tabular-nums; }
`;

export abstract class Overlay extends Panel {
  #before: HTMLElement | null = null;

  /** Close, after an action. */
  protected abstract leave(): void;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#before = focused();
    this.addEventListener("keydown", this.#escape);
    this.addEventListener("focusout", this.#left);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.removeEventListener("keydown", this.#escape);
    this.removeEventListener("focusout", this.#left);
    if (focused() === null) this.#before?.focus({ preventScroll: true }); // closed from elsewhere while it had the focus
  }

  /** Close, and return the focus. */
  protected close(): void {
    this.removeEventListener("focusout", this.#left);
    this.leave();
    this.#before?.focus({ preventScroll: true });
  }

  readonly #escape = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    this.close();
  };

  readonly #left = (event: FocusEvent): void => {
    const to = event.relatedTarget;
    // No target: the window, or an element without focus; inside: another part of this.
    if (to instanceof Node && (to === this || this.renderRoot.contains(to))) return;
    if (!document.hasFocus()) return;
    this.leave();
  };
}

/** The focused element, however deep in shadow roots. */
function focused(): HTMLElement | null {
  let found = document.activeElement;
  while (found?.shadowRoot?.activeElement !== null && found?.shadowRoot?.activeElement !== undefined) found = found.shadowRoot.activeElement;
  return found instanceof HTMLElement && found !== document.body ? found : null;
}
