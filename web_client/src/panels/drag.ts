/**
 * Moves a row of a list by its grip, by mouse, pen or touch.
 *
 * The row follows the pointer and the others make room at once, in the list itself; Escape puts it back. During a drag,
 * the elements keep their order and only their positions change; otherwise the pointer would lose the row.
 */
export interface DragHost {
  keys(): readonly string[];
  /** Distance of the list's top from the window's, px. */
  top(): number;
  /** Index of the row at a distance from the list's top. */
  place(offset: number): number;
  move(key: string, index: number): void;
  /** The list's scroll container; null if the page scrolls. */
  scroller(): HTMLElement | null;
  /** Render again. */
  changed(): void;
  /** Height of a row, px. */
  readonly height: number;
}

/** Distance from the edge at which the list scrolls, in px, and its speed, in px per frame. */
const EDGE = 36;
const SPEED = 9;
/** Movement below this many px is not a drag. */
const THRESHOLD = 3;

export class RowDrag {
  readonly #host: DragHost;
  #key: string | null = null;
  /** Order of the rows at the start. */
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

  /** Items in the order of their elements. */
  inOrder<T>(items: readonly T[], key: (item: T) => string): readonly T[] {
    return this.#key === null ? items : [...items].sort((a, b) => this.#order.indexOf(key(a)) - this.#order.indexOf(key(b)));
  }

  begin(event: PointerEvent, key: string): void {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault(); // do not select text
    const grip = event.currentTarget as HTMLElement;
    grip.setPointerCapture(event.pointerId);
    this.#begun = { key, y: event.clientY, from: this.#host.keys().indexOf(key), grip: event.clientY - grip.getBoundingClientRect().top };
    this.#y = event.clientY;
    addEventListener("pointermove", this.#move);
    addEventListener("pointerup", this.#end);
    addEventListener("pointercancel", this.#cancel);
    addEventListener("keydown", this.#escape, { capture: true });
  }

  /** Cancel, and put the row back. */
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
