/**
 * Keeps a document the same text as an editor's.
 *
 * Half a surrogate pair has no UTF-8: an editor may hold one, the document has U+FFFD in its place, which is as long.
 */
import { type ChangeSet, type NeuroscopeDocument, wellFormed } from "../../src/client";
import type { TextChange, TextEditor } from "./host";

/** Bring the changes that an editor tells to the document. */
export function follow(document: NeuroscopeDocument, editor: Pick<TextEditor, "text" | "length">, changes: readonly TextChange[]): void {
  const set = simultaneous(changes);
  const grows = changes.reduce((sum, { length, text }) => sum + text.length - length, 0);
  const fits = document.text.length + grows === editor.length && changes.every(({ offset, length }) => offset + length <= document.text.length);
  if (set !== null && fits && !changes.some((change) => nearPairs(document.text, change))) {
    if (set.length > 0) document.change(set);
    return;
  }
  // The slow way, which is right whatever happened.
  const rest = difference(document.text, wellFormed(editor.text));
  if (rest.length > 0) document.change(rest);
}

/**
 * Changes in turn as changes of one text; null where they cannot be told apart from it so simply. VS Code tells them from
 * the end of the text on, so that none moves another.
 */
export function simultaneous(changes: readonly TextChange[]): ChangeSet | null {
  let before = Infinity;
  for (const { offset, length } of changes) {
    if (offset + length > before) return null;
    before = offset;
  }
  return changes.map(({ offset, length, text }) => ({ from: offset, to: offset + length, insert: text })).reverse();
}

/** One change that makes the one text the other, none where they are the same. It parts no surrogate pair. */
export function difference(old: string, now: string): ChangeSet {
  if (old === now) return [];
  const shortest = Math.min(old.length, now.length);
  let head = 0;
  while (head < shortest && old.charCodeAt(head) === now.charCodeAt(head)) head++;
  if (head > 0 && isHigh(old.charCodeAt(head - 1))) head--;
  let tail = 0;
  while (tail < shortest - head && old.charCodeAt(old.length - 1 - tail) === now.charCodeAt(now.length - 1 - tail)) tail++;
  if (tail > 0 && isLow(old.charCodeAt(old.length - tail))) tail--;
  return [{ from: head, to: old.length - tail, insert: now.slice(head, now.length - tail) }];
}

/** Whether a change may part or join a surrogate pair, or what stands for half of one. */
function nearPairs(text: string, { offset, length, text: insert }: TextChange): boolean {
  return /[\ud800-\udfff]/.test(insert) || /[\ud800-\udfff\ufffd]/.test(text.slice(Math.max(0, offset - 1), offset))
    || /[\ud800-\udfff\ufffd]/.test(text.slice(offset + length, offset + length + 1));
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000;
