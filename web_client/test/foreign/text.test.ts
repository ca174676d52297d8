/**
 * The server's text under random edits is that of `vscode-languageserver-textdocument` and of `@codemirror/state`.
 *
 * The three speak of places in different ways, and none of their line ends decides what is in the text:
 * - the protocol and CodeMirror count UTF-16 units, and all changes of one message refer to the text before it;
 * - CodeMirror holds lines; it is told that only \n ends one, or it would make \n of every \r\n and count it as one unit;
 * - LSP has lines that end with \n, \r\n or \r, and changes that follow one another. It has no place between \r and \n: a
 *   change that begins or ends there takes the other half along.
 */
import { EditorState } from "@codemirror/state";
import fc from "fast-check";
import { expect, it } from "vitest";
import { TextDocument } from "vscode-languageserver-textdocument";
import type { Change, DocumentResync, DocumentTokens } from "../../src/wire";
import { connect, environment } from "./connection";
import { bytesOfIds, TokenMirror } from "./tokens";

const RUNS = 120;
const MESSAGES = 32;
const seed = process.env.NEUROSCOPE_SEED;

const text = fc.string({
  unit: fc.constantFrom(
    ...["a", "b", " the", " ", ".", "é", "e\u0301", "漢", "\0", "\u2028", "\ufffd", "<|endoftext|>"],
    ...["\n", "\n", "\r", "\r\n", "\r\n", "\n\n"],
    ...["🙂", "🙂", "👩‍👩‍👧‍👦", "\u{10ffff}", "\ud83d", "\ude42"],
  ),
  maxLength: 8,
});

/**
 * What one message changes, by fractions of a text known only later. Chance would seldom hit what `aim` is for: the middle
 * of a surrogate pair, or a lone half, which the other half is put to.
 */
const message = fc.record({
  parts: fc.array(
    fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      size: fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(40) }),
      insert: text,
    }),
    { minLength: 1, maxLength: 5, size: "max" },
  ),
  backwards: fc.boolean(),
  aim: fc.constantFrom(...Array<"parts">(22).fill("parts"), "middle" as const, "half" as const),
  look: fc.constantFrom(false, false, false, false, false, true),
});
type Message = typeof message extends fc.Arbitrary<infer T> ? T : never;

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000;
const dividesPair = (content: string, at: number): boolean =>
  isHigh(content.charCodeAt(at - 1)) && isLow(content.charCodeAt(at));
/** Where a text's surrogate pairs can be divided. */
const middles = (content: string): number[] =>
  Array.from(content.matchAll(/[\ud800-\udbff][\udc00-\udfff]/g), ({ index }) => index + 1);
const dividesLineEnd = (content: string, at: number): boolean => content[at - 1] === "\r" && content[at] === "\n";

/** The changes of one message: apart or touching, ascending, none of them inside a surrogate pair. */
function fit(parts: Message["parts"], content: string): Change[] {
  let end = 0;
  const whole = (at: number): number => (dividesPair(content, at) ? at + 1 : at);
  return parts
    .map(({ at, size, insert }) => ({ start: Math.round(at * content.length), size, insert }))
    .sort((a, b) => a.start - b.start)
    .map(({ start, size, insert }) => {
      const from = whole(Math.max(start, end));
      const to = whole(Math.min(content.length, from + size));
      end = to;
      return { from, to, insert };
    });
}

/** The two oracles; they have to agree with each other, too. */
class Oracles {
  private state: EditorState;
  private readonly document: TextDocument;

  constructor(content: string) {
    this.state = EditorState.create({ doc: content, extensions: EditorState.lineSeparator.of("\n") });
    this.document = TextDocument.create("file:///a", "plaintext", 1, content);
  }

  get content(): string {
    return this.document.getText();
  }

  change(changes: readonly Change[], version: number): void {
    this.state = this.state.update({ changes }).state;
    // From the end on, so that each finds its place in the text that those before it have left.
    for (const { from, to, insert } of [...changes].sort((a, b) => a.from - b.from).reverse()) {
      const content = this.document.getText();
      const [before, after] = [dividesLineEnd(content, from), dividesLineEnd(content, to)];
      const range = {
        start: this.document.positionAt(before ? from - 1 : from),
        end: this.document.positionAt(after ? to + 1 : to),
      };
      TextDocument.update(this.document, [{ range, text: `${before ? "\r" : ""}${insert}${after ? "\n" : ""}` }], version);
    }
    expect(this.state.doc.toString()).toBe(this.document.getText());
  }
}

it("keeps every text as both oracles do, whatever is typed", async () => {
  const server = await connect(environment("NEUROSCOPE_URL"));
  const { rpc } = server;
  const bytesOf = bytesOfIds(environment("NEUROSCOPE_TOKENIZER"));
  let mirror = new TokenMirror();
  let heard: () => void = () => undefined;
  const resyncs: DocumentResync[] = [];
  rpc.onNotification("document/tokens", (params: DocumentTokens) => {
    if (params.version < opened) return; // said before the server had read that the text is another now
    mirror.receive(params);
    heard();
  });
  rpc.onNotification("document/resync", (params: DocumentResync) => {
    resyncs.push(params);
    heard();
  });
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise<void>((resolve) => (heard = resolve));
  };
  await rpc.sendRequest("initialize", { protocolVersion: 1, client: { name: "vscode-jsonrpc" } });

  let version = 0;
  let opened = 0;
  const count = { edits: 0, joined: 0, divided: 0, comparisons: 0 };
  const check = (content: string): void => {
    count.comparisons += 1;
    const own = mirror.tokens.filter(({ special }) => special !== true);
    // Both sides have U+FFFD for half a surrogate pair.
    expect(Buffer.concat(own.map(({ id }) => bytesOf(id))).toString()).toBe(Buffer.from(content).toString());
    let covered = 0;
    for (const { text: told, from, to } of own) {
      expect(from).toBeLessThanOrEqual(covered);
      covered = Math.max(covered, to);
      if (!told.includes("\ufffd")) expect(content.slice(from, to)).toBe(told);
    }
    expect(covered).toBe(content.length);
  };

  await fc.assert(
    fc.asyncProperty(text, fc.array(message, { minLength: 1, maxLength: MESSAGES, size: "max" }), async (first, messages) => {
      const oracles = new Oracles(first);
      const open = async (): Promise<void> => {
        opened = version += 1;
        mirror = new TokenMirror();
        resyncs.length = 0;
        await rpc.sendRequest("document/open", { uri: "a", version, text: oracles.content });
      };
      const look = async (): Promise<void> => {
        await until(() => mirror.version === version || resyncs.length > 0);
        expect(resyncs).toEqual([]);
        check(oracles.content);
      };
      await open();
      for (const { parts, backwards, aim, look: now } of messages) {
        version += 1;
        const { content } = oracles;
        const middle = aim === "middle" ? middles(content).at(-1) : undefined;
        if (middle !== undefined) {
          const changes = [{ from: middle, to: content.length, insert: "x" }];
          await rpc.sendNotification("document/change", { uri: "a", version, changes });
          await until(() => resyncs.length > 0);
          count.divided += 1;
          await open();
          continue;
        }
        const half = aim === "half" ? content.search(/[\ud800-\udbff](?![\udc00-\udfff])/) + 1 : 0;
        const changes = half > 0 ? [{ from: half, to: half, insert: "\ude42" }] : fit(parts, content);
        if (half > 0) count.joined += 1;
        // The order is free where no two begin at one place.
        const free = backwards && new Set(changes.map(({ from }) => from)).size === changes.length;
        const told = free ? changes.toReversed() : changes;
        oracles.change(told, version);
        await rpc.sendNotification("document/change", { uri: "a", version, changes: told });
        count.edits += changes.length;
        if (now) await look();
      }
      await look();
    }),
    {
      numRuns: RUNS,
      interruptAfterTimeLimit: 40_000, // shrinking what fails may take long
      markInterruptAsFailure: true,
      ...(seed === undefined ? {} : { seed: Number(seed) }), // a failure prints its own
    },
  );
  console.log("random edits:", count);
  expect(count.edits).toBeGreaterThan(4000);
  for (const times of Object.values(count)) expect(times).toBeGreaterThan(10);
  expect(await server.close()).toBe(1000);
}, 60_000);
