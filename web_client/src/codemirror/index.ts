/**
 * Live colours in any CodeMirror 6 editor.
 *
 *     new EditorView({ parent, extensions: [basicSetup, neuroscope({ url: "http://127.0.0.1:8740/", neurons: ["L2N99"] })] });
 *
 * An editor keeps its look, keys and text; it gets token colours, stripes, token tooltips, and a line for problems
 * under it. Each editor has its own session, from the creation of its view until the view is destroyed or the extension
 * removed. New options keep the session unless they name another server.
 */
import type { Extension } from "@codemirror/state";
import type { EditorView } from "@codemirror/view";
import type { EditorSession, NeuroscopeOptions } from "./api";
import { options, sessionExtension, sessionPlugin } from "./plugin";

/** The extension. Of several in one editor, only the first counts. */
export function neuroscope(wanted: NeuroscopeOptions): Extension {
  return [options.of(wanted), sessionExtension];
}

/** The extension's state in this editor, including its client; null without the extension. */
export function neuroscopeOf(view: EditorView): EditorSession | null {
  return view.plugin(sessionPlugin)?.session ?? null;
}

export type { EditorSession, NeuroscopeOptions, Ranges, SessionEvents } from "./api";
