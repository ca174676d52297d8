/** The browser's side of `ws_server.notebook.Widget`, as anywidget runs it. */
import type { WidgetModel } from "./model";
import { Looks } from "./source";
import { show } from "./view";

/** Called once per widget; `render` once for each view of it. */
export default function widget(): { render(context: { model: WidgetModel; el: HTMLElement }): () => void } {
  const looks = new Looks();
  return { render: ({ model, el }) => show(model, looks, el) };
}
