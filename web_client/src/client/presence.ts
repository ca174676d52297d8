/** Whether somebody may be looking, and when a lost connection is worth another attempt at once. */

export interface Presence {
  readonly visible: boolean;
  /** Calls `listener` when the network or the person is back; returns what ends that. */
  onReturn(listener: () => void): () => void;
}

/** The part of a page that is used here; a worker has the first half, Node neither. */
interface Surroundings {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
  readonly document?: {
    readonly visibilityState: string;
    addEventListener(type: string, listener: () => void): void;
    removeEventListener(type: string, listener: () => void): void;
  };
}

/** Of the page that this runs in; without a page, somebody always looks. */
export const presence: Presence = {
  get visible() { return (globalThis as Surroundings).document?.visibilityState !== "hidden"; },

  onReturn(listener) {
    const global = globalThis as Surroundings;
    const seen = (): void => { if (presence.visible) listener(); };
    global.addEventListener?.("online", listener);
    global.document?.addEventListener("visibilitychange", seen);
    return () => {
      global.removeEventListener?.("online", listener);
      global.document?.removeEventListener("visibilitychange", seen);
    };
  },
};
