/**
 * Live colours in anyone's CodeMirror 6 editor.
 *
 *     new EditorView({ parent, extensions: [basicSetup, neuroscope({ url: "http://127.0.0.1:8740/", neurons: ["L2N99"] })] });
 *
 * An editor keeps its look, keys and text; it gets token colours, stripes, the tooltip of a token, and a line under it while
 * something is wrong. Each editor has a session of its own, from when its view is made until the view is destroyed or the
 * extension removed. With other options it keeps the session unless they name another server.
 */
import type { Extension } from "@codemirror/state";
import type { EditorView } from "@codemirror/view";
import type { EditorSession, NeuroscopeOptions } from "./api";
import { options, sessionExtension, sessionPlugin } from "./plugin";

/** The extension. Of several in one editor, only the first counts. */
export function neuroscope(wanted: NeuroscopeOptions): Extension {
  return [options.of(wanted), sessionExtension];
}

/** What the extension is doing in this editor, its client among it; null where it is not. */
export function neuroscopeOf(view: EditorView): EditorSession | null {
  return view.plugin(sessionPlugin)?.session ?? null;
}

export type { EditorSession, NeuroscopeOptions, Ranges, SessionEvents } from "./api";
