/**
 * The CodeMirror 6 extension: tokens and colours of a NeuroscopeDocument, live in an editor.
 *
 *     new EditorView({ doc: document.text, extensions: neuroscope(document, source) })
 */
import type { Extension } from "@codemirror/state";
import type { NeuroscopeDocument } from "../client/document";
import { tokenHover } from "./hover";
import { hiddenMarks, tokenMarks } from "./marks";
import { followSource, pictureField, pictureHue } from "./picture";
import type { TokenSource } from "./source";
import { stripeLayer } from "./stripes";
import { syncDocument } from "./sync";
import { editorTheme, tokenTheme } from "./theme";

export function neuroscope(document: NeuroscopeDocument, source: TokenSource): Extension {
  return [syncDocument(document), tokenEditor(source)];
}

/** The same for a text that other code sends to the server. */
export function tokenEditor(source: TokenSource): Extension {
  return [editorTheme, hiddenMarks, tokenColours(source)]; // a token's mark wraps the signs if it comes after them
}

/** The colours alone: for an editor with its own look, whose text other code passes to the document. */
export function tokenColours(source: TokenSource): Extension {
  return [pictureField, pictureHue, followSource(source), tokenMarks, stripeLayer, tokenHover(source), tokenTheme];
}

export { plainBreaks } from "./characters";
export { formatValue, visibleText } from "./format";
export { MOST_STRIPES } from "./source";
export type { Stripe, TokenPicture, TokenRange, TokenSource, TokenValue } from "./source";
export { changesOf, wellFormedInput } from "./sync";
