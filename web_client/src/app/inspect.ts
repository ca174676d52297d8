/**
 * `window.neuroscope`: a read-only view of the page, for tests and the console.
 *
 *     neuroscope.settled        every value of the newest text has arrived
 *     neuroscope.version        version of the text, increases with each change
 *     neuroscope.text           the text
 *     neuroscope.tokens         [{id, text, from, to, special, segment}], offsets in UTF-16 units of `text`
 *     neuroscope.neurons        keys of the rows, in order
 *     neuroscope.rows           the same with their appearance: [{key, hue, pinned, hidden, range: {min, max}}]
 *     neuroscope.focus          key of the neuron that colours the text, or null
 *     neuroscope.values(key)    one number per token; null if there is none yet
 *     neuroscope.scale(key)     {min, max} of its colours
 *     neuroscope.bucket(key, i) colour bucket of one token, in [-16, 16]; its element has class neuro-n16 ... neuro-z ... neuro-p16
 *     neuroscope.other          {text, tokens, values(key), shown(key)} of the text beside it, or null; `shown` is what its colours show
 *     neuroscope.partners       {leftToRight, rightToLeft}, aligned tokens of the two texts, -1 for none; or null
 *     neuroscope.connection     "closed", "connecting", "initializing", "ready" or "waiting"
 *     neuroscope.model          what the server said about the model, or null
 *     neuroscope.lastDone       the last `activations/done` that answered a change, with roundTripMs
 *     neuroscope.latency        {totalMs, parts} of the edit that is shown with all its values, or null
 */
import { bucketOf } from "../colour/scale";
import type { Workbench } from "../workbench";

/** Numbers as JSON has them: null for none. */
function plain(values: Float32Array): (number | null)[] {
  return Array.from(values, (value) => (Number.isNaN(value) ? null : value));
}

export function inspector(workbench: Workbench) {
  const { client } = workbench;
  return Object.freeze({
    get settled() { return workbench.settled; },
    get version() { return workbench.document.version; },
    get text() { return workbench.document.text; },
    get tokens() { return workbench.document.tokens.infos.map((_, i) => workbench.document.tokens.at(i)); },
    get neurons() { return [...workbench.rows.keys]; },
    get rows() { return workbench.rows.list; },
    get focus() { return workbench.rows.focus; },
    values: (key: string) => plain(workbench.document.activations.values(key)),
    scale: (key: string) => workbench.scale(key),
    bucket: (key: string, token: number) => bucketOf(workbench.value(key, token), workbench.scale(key)),
    get other() {
      const right = workbench.comparison?.right;
      if (right === undefined) return null;
      const { activations, text, tokens } = right.document;
      return {
        text, tokens: tokens.infos.map((_, i) => tokens.at(i)),
        values: (key: string) => plain(activations.values(key)), shown: (key: string) => plain(right.values(key)),
      };
    },
    get partners() {
      const alignment = workbench.comparison?.alignment;
      return alignment === undefined ? null : { leftToRight: [...alignment.leftToRight], rightToLeft: [...alignment.rightToLeft] };
    },
    get connection() { return client.state.kind; },
    get model() { return client.model; },
    get lastDone() { return workbench.lastDone; },
    get latency() { return workbench.edited.latency; },
  });
}
