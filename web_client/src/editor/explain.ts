/** A token in words: its invisible characters, and the character that it is part of. Empty for an ordinary token. */
import type { TokenList } from "../client/tokens";
import { sharesOf } from "./cells";
import { codePoint } from "./characters";
import { visibleText } from "./format";

/** Number of the context that a token is in, from 1. */
export function contextOf(tokens: TokenList, index: number): number {
  let context = 1;
  for (let i = 1; i <= index; i++) if (tokens.infos[i]?.segment === true) context++;
  return context;
}

/** Sentences about the token at `index`. `slice` gives the text. */
export function explainToken(tokens: TokenList, index: number, slice: (from: number, to: number) => string): string[] {
  const { special, segment, text } = tokens.at(index);
  const words: string[] = [];
  if (special) words.push("added by the server, not part of the text");
  if (segment && index > 0) words.push(`context ${contextOf(tokens, index)} begins: the model sees nothing before it`);
  if (special) return words;
  const shares = sharesOf(tokens, index);
  for (const { from, to, part, parts } of shares) words.push(`part ${part} of ${parts} of ${visibleText(slice(from, to))} (${bytesOf(slice(from, to), part, parts)})`);
  if (shares.length === 0) words.push(...invisible(text));
  return words;
}

/** The bytes of a part if they are certain, otherwise those of the whole character. */
function bytesOf(character: string, part: number, parts: number): string {
  const bytes = Array.from(new TextEncoder().encode(character), (byte) => byte.toString(16).toUpperCase().padStart(2, "0"));
  return bytes.length === parts ? `byte ${bytes[part - 1] ?? ""} of ${bytes.join(" ")}` : `of the bytes ${bytes.join(" ")}`;
}

const WHITE: readonly [RegExp, string, string][] = [
  [/^\n+/, "line break", "line breaks"],
  [/^\t+/, "tab", "tabs"],
  [/^ +/, "space", "spaces"],
];

/** White space tokens in words; other invisible characters by their code points. */
function invisible(text: string): string[] {
  if (text === "") return ["empty"];
  const words: string[] = [];
  let rest = text;
  for (let found = WHITE.find(([kind]) => kind.test(rest)); found !== undefined; found = WHITE.find(([kind]) => kind.test(rest))) {
    const [kind, one, several] = found;
    const count = kind.exec(rest)?.[0].length ?? 0;
    words.push(count === 1 ? one : `${count} ${several}`);
    rest = rest.slice(count);
  }
  if (rest === "") return [words.join(", ")];
  const hidden = [...new Set(rest.match(/(?![ \t\n])[\p{Cc}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}]/gu) ?? [])].map(codePoint);
  return hidden.length === 0 ? [] : [`with ${hidden.join(", ")}`];
}
