/** What a server of a byte-level tokenizer takes the text for, told from the ids of its tokens. */
import { readFileSync } from "node:fs";
import type { Token, DocumentTokens } from "../../src/wire";

export class TokenMirror {
  tokens: Token[] = [];
  version = -1;

  receive({ start, deleteCount, tokens, shift, version }: DocumentTokens): void {
    const rest = this.tokens.slice(start + deleteCount);
    const moved = rest.map((token) => ({ ...token, from: token.from + shift, to: token.to + shift }));
    this.tokens = [...this.tokens.slice(0, start), ...tokens, ...moved];
    this.version = version;
  }
}

/** The bytes of each id of a `tokenizer.json` in GPT-2's alphabet, in which each byte is one printable character. */
export function bytesOfIds(path: string): (id: number) => Buffer {
  const { model, added_tokens } = JSON.parse(readFileSync(path, "utf8")) as {
    model: { vocab: Record<string, number> };
    added_tokens: { id: number; content: string }[];
  };
  const alphabet = new Map<string, number>();
  const isPrintable = (byte: number): boolean => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let unprintable = 0;
  for (let byte = 0; byte < 256; byte++) alphabet.set(String.fromCharCode(isPrintable(byte) ? byte : 256 + unprintable++), byte);
  const bytes = new Map<number, Buffer>();
  for (const [piece, id] of Object.entries(model.vocab)) {
    bytes.set(id, Buffer.from(Array.from(piece, (character) => alphabet.get(character) ?? NaN)));
  }
  for (const { id, content } of added_tokens) bytes.set(id, Buffer.from(content));
  return (id) => {
    const found = bytes.get(id);
    if (found === undefined) throw new Error(`there is no token ${id}`);
    return found;
  };
}
