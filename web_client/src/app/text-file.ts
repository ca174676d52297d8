/** Reads a file as text, or says why it cannot be opened. */
import { plainBreaks } from "../editor/characters";

/** UTF-8's most bytes per character: a longer file cannot fit. */
const BYTES_PER_CHARACTER = 4;

export class FileError extends Error {
  override name = "FileError";
}

/** The file's text, at most `characters` code points. Throws FileError. */
export async function readTextFile(file: File, characters: number): Promise<string> {
  const limit = `this server accepts at most ${count(characters)} characters`;
  if (file.size > characters * BYTES_PER_CHARACTER) throw new FileError(`${file.name} has ${count(file.size)} bytes; ${limit}.`);
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new FileError(`${file.name} cannot be read. Folders cannot be opened.`);
  }
  const decoded = decodeText(bytes);
  if (decoded === null) throw new FileError(`${file.name} is not a text file.`);
  const text = plainBreaks(decoded);
  const length = lengthOf(text);
  if (length > characters) throw new FileError(`${file.name} has ${count(length)} characters; ${limit}.`);
  return text;
}

/** Bytes as text: UTF-8, UTF-16 with a byte order mark, or Windows-1252 without control characters; null for anything
 * else. */
export function decodeText(bytes: Uint8Array): string | null {
  const [first, second] = bytes;
  const marked = first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : null;
  for (const encoding of marked === null ? ["utf-8", "windows-1252"] : [marked]) {
    try {
      const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
      // Binary files are full of these, texts have none. Form feed and escape occur in old texts.
      // eslint-disable-next-line no-control-regex -- it searches for control characters
      if (!/[\u0000-\u0008\u000e-\u001a\u001c-\u001f\u007f-\u0084\u0086-\u009f]/.test(text)) return text;
    } catch {
      continue; // not in this encoding
    }
  }
  return null;
}

/** Code points of a text, as the server counts them. */
function lengthOf(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >> 10 === 0x37) length--; // the second half of a pair
  return length;
}

function count(value: number): string {
  return value.toLocaleString("en");
}
