// An editor of somebody else, in strict TypeScript.
import { EditorView } from "@codemirror/view";
import { type EditorSession, neuroscope, neuroscopeOf, type NeuroscopeOptions } from "interactive-neuroscope-client/codemirror";

const options: NeuroscopeOptions = { url: "http://127.0.0.1:8740/", neurons: ["L2N99"], ranges: { L2N99: { max: 3 } }, stripes: false };
const view = new EditorView({ doc: "text", extensions: [neuroscope(options), EditorView.lineWrapping] });
const session: EditorSession | null = neuroscopeOf(view);
session?.on("change", () => { document.title = `${session.problem ?? session.focus ?? ""} ${session.client.state.kind}`; });

// @ts-expect-error -- a server is needed
neuroscope({ neurons: ["L2N99"] });
