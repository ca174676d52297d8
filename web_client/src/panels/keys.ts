/** Shortcuts as key caps. */
import { html, type TemplateResult } from "lit";
import { keyNames } from "../workbench";

/** Whether shortcuts are those of a Mac. */
export const MAC = /mac|iphone|ipad/i.test(navigator.platform);

/** A shortcut such as "Mod-Shift-z"; the containing element styles `kbd`. */
export function keyCaps(keys: string): TemplateResult {
  const names = keyNames(keys, MAC);
  return html`<kbd>${names.join(MAC ? "" : "+")}</kbd>`;
}
