/**
 * The editor's own copy of the picture: it moves with every transaction, in the same update as the text.
 *
 * New pictures come at most once per frame, so an answer costs no extra frame.
 */
import { StateEffect, StateField } from "@codemirror/state";
import { EditorView, ViewPlugin } from "@codemirror/view";
import { hueClass } from "../colour/palette";
import { TokenList } from "../client/tokens";
import { changesOf } from "./sync";
import type { TokenPicture, TokenSource } from "./source";

const showPicture = StateEffect.define<TokenPicture>();

const noPicture: TokenPicture = { tokens: TokenList.empty, buckets: new Int8Array(0), hue: 0, stripes: [], faded: null, marked: null };

export const pictureField = StateField.define<TokenPicture>({
  create: () => noPicture,
  update(picture, transaction) {
    if (transaction.docChanged) picture = { ...picture, tokens: picture.tokens.map(changesOf(transaction.changes)) };
    for (const effect of transaction.effects) if (effect.is(showPicture)) picture = effect.value;
    return picture;
  },
});

/** The editor has the hue of the neuron in focus. */
export const pictureHue = EditorView.editorAttributes.compute([pictureField], (state) => ({ class: hueClass(state.field(pictureField).hue) }));

/** Bring the source's pictures into the editor. */
export function followSource(source: TokenSource) {
  return ViewPlugin.define((view: EditorView) => {
    let frame: number | null = null;
    let shown = noPicture;
    // A message that is posted in a frame's callback arrives after the frame.
    const { port1: afterFrame, port2: toAfterFrame } = new MessageChannel();
    afterFrame.onmessage = () => { source.painted?.(shown); };
    const show = (): void => {
      frame = null;
      shown = source.picture;
      view.dispatch({ effects: showPicture.of(shown) });
      toAfterFrame.postMessage(null);
    };
    const plan = (): void => { frame ??= requestAnimationFrame(show); };
    const stop = source.onPicture(plan);
    plan();
    return {
      destroy() {
        stop();
        afterFrame.close();
        if (frame !== null) cancelAnimationFrame(frame);
      },
    };
  });
}
