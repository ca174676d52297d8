/** The commands that open a text: samples, and files that are chosen or dropped on the page. */
import { EditorPanel } from "../panels";
import type { Command, Passage, Workbench } from "../workbench";
import { samples } from "./samples";
import { FileError, readTextFile } from "./text-file";

const DROPPING = "dropping";
const DEFAULT_CHARACTERS = 1_000_000;

export function textCommands(workbench: Workbench): Command[] {
  return [
    { id: "text.open", title: "Open a text file…", group: "Text", run: () => { chooseFile(workbench); } },
    ...samples.map(({ id, title, text, compare }): Command => ({
      id: `sample.${id}`, title, group: "Samples",
      run: () => {
        workbench.replaceText(text);
        if (compare !== undefined) workbench.compareWith(compare);
      },
    })),
  ];
}

/**
 * Files dropped anywhere on the page are opened, in the text under the pointer; otherwise the browser would leave the
 * page to show them.
 */
export function openDroppedFiles(workbench: Workbench): void {
  const { classList } = document.documentElement;
  const carriesFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes("Files") === true;
  const options = { capture: true }; // before the editor, which would insert them
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event) || event.dataTransfer === null) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    classList.add(DROPPING);
  }, options);
  addEventListener("dragleave", (event) => { if (event.relatedTarget === null) classList.remove(DROPPING); }, options);
  addEventListener("drop", (event) => {
    classList.remove(DROPPING);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    const editor = event.composedPath().find((target) => target instanceof EditorPanel);
    openFiles(workbench, editor?.passage ?? workbench.text, event.dataTransfer?.files ?? null);
  }, options);
}

function chooseFile(workbench: Workbench): void {
  const input = document.createElement("input");
  input.type = "file";
  input.addEventListener("change", () => { openFiles(workbench, workbench.text, input.files); });
  input.click();
}

function openFiles(workbench: Workbench, passage: Passage, files: FileList | null): void {
  const [file] = files ?? [];
  if (file === undefined) return;
  void open(workbench, passage, file);
  if (files !== null && files.length > 1) workbench.notices.notify(`Only ${file.name} was opened, the first of ${files.length} files.`);
}

async function open({ client, notices }: Workbench, passage: Passage, file: File): Promise<void> {
  try {
    passage.replaceText(await readTextFile(file, client.limits?.documentCharacters ?? DEFAULT_CHARACTERS));
    notices.notify(`${file.name} was opened. Undo brings back the previous text.`);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    notices.notify(error.message);
  }
}
