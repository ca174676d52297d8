/**
 * Moves a row of a list by its grip, with mouse, pen or finger.
 *
 * The row follows the pointer and the others make room at once, in the list itself; Escape puts it back. While it is
 * dragged, rows keep their order as elements, or the pointer would lose the one it holds; only their places change.
 */
export interface DragHost {
  keys(): readonly string[];
  /** Distance of the list's top from the window's, px. */
  top(): number;
  /** Index of the row at a distance from the list's top. */
  place(offset: number): number;
  move(key: string, index: number): void;
  /** What scrolls the list; null where the page does. */
  scroller(): HTMLElement | null;
  /** Render again. */
  changed(): void;
  /** Height of a row, px. */
  readonly height: number;
}

/** So near to the edge of what is seen the list begins to scroll, so many px a frame. */
const EDGE = 36;
const SPEED = 9;
/** A finger or a hand is not quite still. */
const THRESHOLD = 3;

export class RowDrag {
  readonly #host: DragHost;
  #key: string | null = null;
  /** Of the rows when it began. */
  #order: readonly string[] = [];
  #begun: { readonly key: string; readonly y: number; readonly from: number; readonly grip: number } | null = null;
  #y = 0;
  #frame: number | null = null;

  constructor(host: DragHost) {
    this.#host = host;
  }

  /** Key of the row that is being dragged. */
  get key(): string | null {
    return this.#key;
  }

  /** Its distance from the list's top, px. */
  get top(): number {
    const last = (this.#host.keys().length - 1) * this.#host.height;
    return Math.max(0, Math.min(last, this.#y - this.#host.top() - (this.#begun?.grip ?? 0)));
  }

  /** Items as they are to stand in the page. */
  inOrder<T>(items: readonly T[], key: (item: T) => string): readonly T[] {
    return this.#key === null ? items : [...items].sort((a, b) => this.#order.indexOf(key(a)) - this.#order.indexOf(key(b)));
  }

  begin(event: PointerEvent, key: string): void {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault(); // no text is selected
    const grip = event.currentTarget as HTMLElement;
    grip.setPointerCapture(event.pointerId);
    this.#begun = { key, y: event.clientY, from: this.#host.keys().indexOf(key), grip: event.clientY - grip.getBoundingClientRect().top };
    this.#y = event.clientY;
    addEventListener("pointermove", this.#move);
    addEventListener("pointerup", this.#end);
    addEventListener("pointercancel", this.#cancel);
    addEventListener("keydown", this.#escape, { capture: true });
  }

  /** End it, and put the row back. */
  cancel(): void {
    if (this.#key !== null && this.#begun !== null) this.#host.move(this.#key, this.#begun.from);
    this.#stop();
  }

  readonly #move = (event: PointerEvent): void => {
    if (this.#begun === null || !event.isPrimary) return;
    this.#y = event.clientY;
    if (this.#key === null) {
      if (Math.abs(event.clientY - this.#begun.y) < THRESHOLD) return;
      this.#key = this.#begun.key;
      this.#order = this.#host.keys();
      this.#frame = requestAnimationFrame(this.#scroll);
    }
    this.#follow();
  };

  /** Give the row the place that it is over. */
  #follow(): void {
    const host = this.#host;
    if (this.#key === null) return;
    const index = host.place(this.top + host.height / 2);
    if (index >= 0 && index !== host.keys().indexOf(this.#key)) host.move(this.#key, index);
    host.changed();
  }

  readonly #scroll = (): void => {
    this.#frame = requestAnimationFrame(this.#scroll);
    const scroller = this.#host.scroller();
    const frame = scroller?.getBoundingClientRect() ?? { top: 0, bottom: innerHeight };
    const by = this.#y < frame.top + EDGE ? -SPEED : this.#y > frame.bottom - EDGE ? SPEED : 0;
    if (by === 0) return;
    (scroller ?? document.scrollingElement)?.scrollBy(0, by);
    this.#follow();
  };

  readonly #end = (event: PointerEvent): void => {
    if (event.isPrimary) this.#stop();
  };

  readonly #cancel = (): void => {
    this.cancel();
  };

  readonly #escape = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || this.#key === null) return;
    event.stopPropagation();
    event.preventDefault();
    this.cancel();
  };

  #stop(): void {
    removeEventListener("pointermove", this.#move);
    removeEventListener("pointerup", this.#end);
    removeEventListener("pointercancel", this.#cancel);
    removeEventListener("keydown", this.#escape, { capture: true });
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
    this.#key = null;
    this.#begun = null;
    this.#host.changed();
  }
}
