/**
 * Keeps the editor's text and the kernel's equal.
 *
 * The kernel decides the order of changes. What is typed here is shown at once and sent as changes, one message at a time;
 * changes that came first are put under it (CodeMirror's `collab`).
 */
import { collab, getSyncedVersion, receiveUpdates, sendableUpdates } from "@codemirror/collab";
import { ChangeSet, type EditorState, type Extension } from "@codemirror/state";
import { type EditorView, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import type { ChangeSet as DocumentChanges } from "../client";
import { changesOf } from "../editor";
import type { KernelMessage, WidgetModel } from "./model";

export interface KernelText {
  readonly model: WidgetModel;
  /** Name of this editor, different from that of any other. */
  readonly author: string;
  /** Start again from this text: the editor's edits did not fit. */
  readonly begin: (text: string, revision: number) => void;
}

/** Edits that are not in the kernel's text yet, as one change of it; null if there are none. */
export function unconfirmed(state: EditorState): DocumentChanges | null {
  const updates = sendableUpdates(state);
  if (updates.length === 0) return null;
  return changesOf(updates.map(({ changes }) => changes).reduce((all, next) => all.compose(next)));
}

/** The editor must start with the kernel's text, of this revision. */
export function followKernel({ model, author, begin }: KernelText, revision: number): Extension {
  return [
    collab({ startVersion: revision, clientID: author }),
    ViewPlugin.define((view: EditorView) => {
      /** An edit has been sent and not confirmed. */
      let waiting = false;
      const push = (): void => {
        const updates = sendableUpdates(view.state);
        if (waiting || updates.length === 0) return;
        waiting = true;
        model.send({ kind: "edit", author, revision: getSyncedVersion(view.state), updates: updates.map(({ changes }) => changesOf(changes)) });
      };
      const ask = (): void => { model.send({ kind: "missed", author, revision: getSyncedVersion(view.state) }); };
      const heard = (message: KernelMessage): void => {
        if (message.kind === "text") {
          if (message.author === author) begin(message.text, message.revision);
          return;
        }
        const known = getSyncedVersion(view.state) - message.revision;
        if (known < 0) {
          ask();
          return;
        }
        waiting = false;
        let { length } = sendableUpdates(view.state)[0]?.changes ?? view.state.doc; // of the text that both have
        const updates = message.updates.slice(known).map(({ author: clientID, changes: list }) => {
          const changes = ChangeSet.of([...list], length, "\n");
          length = changes.newLength;
          return { clientID, changes };
        });
        if (updates.length > 0) view.dispatch(receiveUpdates(view.state, updates));
        push();
      };
      // A message about the text comes before the state that it leads to: if there was none, it was lost.
      const changed = (): void => {
        if (model.get("_revision") > getSyncedVersion(view.state)) ask();
      };
      model.on("msg:custom", heard);
      model.on("change:_revision", changed);
      return {
        update(update: ViewUpdate) {
          if (update.docChanged) push();
        },
        destroy() {
          model.off("msg:custom", heard);
          model.off("change:_revision", changed);
        },
      };
    }),
  ];
}

export { getSyncedVersion };
