/** The commands that export what the page shows. */
import { toCsv, toJson } from "../exports/data";
import { toHtml } from "../exports/html";
import type { ExportDocument, ExportNeuron, Snapshot } from "../exports/snapshot";
import { type Picture, toSvg } from "../exports/svg";
import type { Command, Workbench } from "../workbench";
import { copy, download, fileName, rasterize } from "./download";

const GROUP = "Export";
const WIDTHS = [60, 80, 100, 120];
/** How long an export waits for pending values. */
const WAIT_MS = 10_000;
const DEFAULT_COLUMNS = 80;

/** `columns` returns how many columns a line of the page has. */
export function exportCommands(workbench: Workbench, columns: () => number | null): Command[] {
  let width: number | null = null; // as on the page
  const picture = (snapshot: Snapshot): Picture => toSvg(snapshot, width ?? columns() ?? DEFAULT_COLUMNS);
  const png = async (snapshot: Snapshot): Promise<Blob> => rasterize(picture(snapshot));
  const text = (type: string, content: string): Blob => new Blob([content], { type: `${type};charset=utf-8` });
  const files: readonly [extension: string, title: string, make: (snapshot: Snapshot) => Blob | Promise<Blob>][] = [
    ["html", "Coloured text as HTML", (snapshot) => text("text/html", toHtml(snapshot))],
    ["svg", "Picture as SVG", (snapshot) => text("image/svg+xml", picture(snapshot).svg)],
    ["png", "Picture as PNG", png],
    ["csv", "Values as CSV", (snapshot) => text("text/csv", toCsv(snapshot))],
    ["json", "Values as JSON", (snapshot) => text("application/json", toJson(snapshot))],
  ];

  const attempt = async (what: () => Promise<void>): Promise<void> => {
    if (!(await settled(workbench))) {
      workbench.notices.notify("Nothing was exported: the values of the current text have not arrived yet.");
      return;
    }
    try {
      await what();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      workbench.notices.notify("The text is too long for a PNG. Export it as SVG or HTML.");
    }
  };
  return [
    ...files.map(([extension, title, make]): Command => ({
      id: `export.${extension}`, title, group: GROUP,
      run: () => void attempt(async () => {
        const snapshot = snapshotOf(workbench);
        download(fileName([snapshot.model?.id ?? "", snapshot.focus?.key ?? "text"], extension), await make(snapshot));
      }),
    })),
    {
      id: "export.copy", title: "Copy picture", group: GROUP,
      run: () => void attempt(async () => {
        try {
          await copy("image/png", png(snapshotOf(workbench)));
          workbench.notices.notify("The picture was copied.");
        } catch (error) {
          if (error instanceof RangeError) throw error;
          workbench.notices.notify("The browser does not let this page copy pictures. Export it as PNG.");
        }
      }),
    },
    ...[null, ...WIDTHS].map((value): Command => ({
      id: `export.width.${value ?? "page"}`, group: "Picture width",
      title: value === null ? "As wide as on this page" : `${value} columns`,
      checked: () => width === value,
      run: () => { width = value; },
    })),
  ];
}

/** What the page shows, as plain data. */
export function snapshotOf(workbench: Workbench): Snapshot {
  const { client, passages, rows, text: { picture }, view } = workbench;
  const neurons = rows.list.map(({ key, hue, hidden }): ExportNeuron => (
    { key, hue, hidden, scale: workbench.scale(key), origin: workbench.origin(key) }
  ));
  const documents = passages.map((passage, i): ExportDocument => {
    const { document: { activations, text, tokens } } = passage;
    const name = passages.length === 1 ? "Text" : i === 0 ? "Left" : "Right";
    const byNeuron = (values: (key: string) => Float32Array): Map<string, Float32Array> => new Map(rows.keys.map((key) => [key, values(key)]));
    const values = byNeuron((key) => activations.values(key));
    const differs = i > 0 && view.state.compareColours === "difference";
    return {
      name, text, tokens, values, shown: differs ? byNeuron((key) => passage.values(key)) : values,
      kin: passage.picture.kin ?? null, note: differs ? "difference from the left" : null,
    };
  });
  const drawn = new Set(picture.stripes.map(({ key }) => key));
  return {
    model: client.model,
    neurons,
    focus: neurons.find(({ key, hidden }) => key === rows.focus && !hidden) ?? null,
    stripes: neurons.filter(({ key }) => drawn.has(key)),
    documents,
  };
}

/** Whether every value of the newest text has come, after waiting a while for it. */
async function settled(workbench: Workbench): Promise<boolean> {
  if (workbench.settled) return true;
  return new Promise((resolve) => {
    const end = (): void => {
      stop();
      clearTimeout(timer);
      resolve(workbench.settled);
    };
    const stop = workbench.on("change", () => { if (workbench.settled) end(); });
    const timer = setTimeout(end, WAIT_MS);
  });
}
