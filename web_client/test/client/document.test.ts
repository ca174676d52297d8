import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Done, Freshness, NeuroscopeClient, type NeuroscopeDocument, normalize, TooLargeError } from "../../src/client";
import { FakeNetwork, ManualClock } from "../../src/client/testing";
import { edit, fit, text } from "../arbitraries";
import { activations, ScriptedServer, settle, tokenize } from "../scripted-server";

const URI = "note";

async function connected(content: string, encoding: "json" | "base64" = "json", tokensPerMessage = Infinity) {
  const network = new FakeNetwork();
  const clock = new ManualClock();
  const servers: ScriptedServer[] = [];
  network.onConnect = (peer) => {
    const server = new ScriptedServer(peer);
    server.encoding = encoding;
    server.tokensPerMessage = tokensPerMessage;
    servers.push(server);
  };
  const client = new NeuroscopeClient({ connect: network.connector, clock });
  const document = client.open(URI, content);
  void client.subscriptions.add(["L1N1", "L2N2"]);
  client.start();
  await settle();
  return { network, clock, client, document, servers, server: () => servers.at(-1) as ScriptedServer };
}

/** What the client must hold when the server has answered everything. */
function expectAnswered(document: NeuroscopeDocument): void {
  const expected = tokenize(document.text);
  const { tokens } = document;
  expect(tokens.infos.map((_, i) => tokens.at(i))).toEqual(
    expected.map((token) => ({ ...token, special: token.special === true, segment: token.segment === true })),
  );
  for (const key of ["L1N1", "L2N2"]) {
    expect([...document.activations.values(key)]).toEqual(activations(key, expected));
    expect([...document.activations.freshness(key)].every((freshness) => freshness === Freshness.fresh)).toBe(true);
  }
  expect(document.editedFrom).toBe(tokens.length);
}

describe("a document", () => {
  it("has the server's tokens and values after an answer, in either encoding", async () => {
    for (const encoding of ["json", "base64"] as const) {
      const { document, server } = await connected("the cat 🙂 sat", encoding);
      server().answer(URI);
      expect(document.done).toBe(true);
      expectAnswered(document);
    }
  });

  it("keeps tokens at their text while answers are late, and ends with the server's", async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("edit" as const), parts: edit }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("tokenize" as const) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("compute" as const), count: fc.integer({ min: 1, max: 9 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const) }) },
    );
    // The server sees changes at once but answers when the test says, for the text it has then. To let answers be late,
    // its side of the wire is a queue that only `tokenize` and `compute` empty.
    await fc.assert(
      fc.asyncProperty(text, fc.array(step, { maxLength: 20 }), fc.constantFrom(1, 3, Infinity), async (content, steps, most) => {
        const { network, clock, document, servers } = await connected(content, "json", most);
        let queue: (() => void)[] = [];
        const hookUp = (server: ScriptedServer): void => {
          server.peer.onMessage = (message) => {
            queue.push(() => {
              server.handle(message);
            });
          };
        };
        const server = (): ScriptedServer => servers.at(-1) as ScriptedServer;
        hookUp(server());
        // Names of the characters, and of those that each token had when its version was sent.
        let names: number[] = Array.from({ length: content.length }, (_, i) => i);
        let nextName = content.length;
        const namesAt = new Map([[document.version, names]]);
        let owned: number[][] = [];
        document.on("tokens", ({ version }) => {
          const then = namesAt.get(version) as number[];
          owned = tokenize(server().document(URI).text).map(({ from, to }) => then.slice(from, to));
        });
        const checkPlaces = (): void => {
          const { tokens } = document;
          for (let i = 0; i < tokens.length; i++) {
            const left = (owned[i] as number[]).filter((name) => names.includes(name));
            const { from, to } = tokens.at(i);
            if (left.length === 0) expect(from).toBe(to);
            else
              expect([from, to]).toEqual([names.indexOf(left[0] as number), names.indexOf(left.at(-1) as number) + 1]);
          }
        };
        for (const one of steps) {
          if (one.kind === "edit") {
            const changes = fit(one.parts, document.text);
            names = [...names];
            for (const { from, to, insert } of [...changes].reverse()) {
              names.splice(from, to - from, ...Array.from({ length: insert.length }, () => nextName++));
            }
            document.change(changes);
            namesAt.set(document.version, names);
          } else if (one.kind === "drop") {
            queue = [];
            server().peer.drop();
            clock.advance(1000);
            await settle();
            hookUp(server());
            namesAt.set(document.version, names);
          } else if (one.kind === "tokenize") {
            queue.splice(0, 1 + (queue.length >> 1)).forEach((deliver) => {
              deliver();
            }); // the rest is still under way
            if (server().documents.has(URI)) server().tokenize(URI);
          } else if (server().documents.has(URI)) {
            server().compute(URI, one.count);
          }
          await settle();
          checkPlaces();
          // A value is called fresh only if it is the one for this token in the newest answered text.
          const sent = server().documents.get(URI)?.sent ?? [];
          for (const key of ["L1N1", "L2N2"]) {
            const right = activations(key, sent);
            const values = document.activations.values(key);
            document.activations.freshness(key).forEach((freshness, i) => {
              if (freshness === Freshness.fresh) expect(values[i]).toBe(right[i]);
            });
          }
        }
        while (queue.length > 0) {
          queue.splice(0).forEach((deliver) => {
            deliver();
          });
          await settle();
        }
        server().answer(URI);
        expect(server().document(URI).text).toBe(document.text);
        expect(document.done).toBe(true);
        expectAnswered(document);
        expect(network.peers.length).toBeGreaterThan(0);
      }),
      { numRuns: 400 },
    );
  }, 60_000);

  it("shows the tokens of a long splice when the last of its messages is there", async () => {
    const { document, server } = await connected("one two three four", "json", 2);
    const seen: number[] = [];
    document.on("tokens", () => seen.push(document.tokens.length));
    server().answer(URI);
    expect(seen).toEqual([5]);
    expectAnswered(document);
    document.change([{ from: 4, to: 7, insert: "five six seven" }]);
    server().tokenize(URI);
    expect(seen).toEqual([5, 7]);
    server().compute(URI);
    expectAnswered(document);
  });

  it("opens again when a part of a splice is missing", async () => {
    const { document, server, clock } = await connected("one two");
    server().answer(URI);
    clock.advance(1000);
    const { version } = document;
    const part = { uri: URI, version, model: "tiny", start: 1, deleteCount: 0, tokens: tokenize("x").slice(1), shift: 1, tokenCount: 4, more: true };
    server().peer.notify("document/tokens", part);
    expect(document.version).toBe(version);
    server().peer.notify("document/tokens", { ...part, start: 3, shift: 0, tokenCount: 5, more: undefined });
    expect(document.version).toBe(version + 1);
    server().answer(URI);
    expectAnswered(document);
  });

  it("drops what another model made of the same version", async () => {
    const { document, server } = await connected("one two");
    server().answer(URI);
    server().modelId = "other";
    document.change([{ from: 7, to: 7, insert: " three" }]);
    server().answer(URI);
    expect([document.tokens.length, document.done]).toEqual([3, false]);
  });

  it("takes no answer to an earlier open for one to the newest", async () => {
    const { document, server, clock } = await connected("one two");
    server().answer(URI);
    const stale = {
      uri: URI,
      version: document.version,
      start: 0,
      deleteCount: 0,
      tokens: tokenize("wrong"),
      shift: 0,
      tokenCount: 2,
    };
    clock.advance(1000);
    server().peer.notify("document/resync", { uri: URI, reason: "test" });
    server().peer.notify("document/tokens", stale);
    expect(document.tokens.infos.map(({ text: words }) => words)).toEqual(["<bos>", "one", " two"]);
    server().answer(URI);
    expectAnswered(document);
  });

  it("opens again when the server's list cannot be the client's", async () => {
    const { document, server, clock } = await connected("one two");
    server().answer(URI);
    const { version } = document;
    clock.advance(1000);
    server().peer.notify("document/tokens", {
      uri: URI,
      version,
      start: 2,
      deleteCount: 40,
      tokens: [],
      shift: 0,
      tokenCount: 2,
    });
    expect(document.version).toBe(version + 1);
    server().answer(URI);
    expectAnswered(document);
  });

  it("does not resynchronise in a busy loop", async () => {
    const { document, server, clock } = await connected("one two");
    const { version } = document;
    for (let i = 0; i < 10; i++) server().peer.notify("document/resync", { uri: URI, reason: "again" });
    expect(document.version).toBe(version);
    clock.advance(500);
    expect(document.version).toBe(version + 1);
  });

  it("drops values for another version than the tokens'", async () => {
    const { document, server } = await connected("one two");
    server().answer(URI);
    const before = [...document.activations.values("L1N1")];
    const { version } = document;
    for (const wrong of [version - 1, version + 1]) {
      server().peer.notify("activations/update", {
        uri: URI,
        version: wrong,
        start: 0,
        count: 1,
        neurons: ["L1N1"],
        values: [[42]],
      });
    }
    expect([...document.activations.values("L1N1")]).toEqual(before);
  });

  it("marks what an edit puts in doubt until the answer comes", async () => {
    const { document, server } = await connected("one two three");
    server().answer(URI);
    document.change([{ from: 5, to: 5, insert: "x" }]);
    expect(document.done).toBe(false);
    expect(document.editedFrom).toBe(2);
    server().tokenize(URI);
    expect([...document.activations.freshness("L1N1")]).toEqual([
      Freshness.fresh,
      Freshness.fresh,
      Freshness.missing,
      Freshness.stale,
    ]);
    server().compute(URI);
    expectAnswered(document);
  });

  it("tells how long the way there and back took", async () => {
    const { document, server, clock } = await connected("one");
    server().answer(URI);
    const done: Done[] = [];
    document.on("done", (event) => done.push(event));
    document.change([{ from: 3, to: 3, insert: "!" }]);
    clock.advance(37);
    server().answer(URI);
    expect(done.map(({ roundTripMs }) => roundTripMs)).toEqual([37]);
    server().compute(URI);
    expect(done.at(-1)?.roundTripMs).toBeNull();
  });

  it("keeps values through a reconnection until new ones come", async () => {
    const { document, server, clock } = await connected("one two three");
    server().answer(URI);
    const values = [...document.activations.values("L1N1")];
    server().peer.drop();
    document.change([{ from: 13, to: 13, insert: " four" }]);
    clock.advance(1000);
    await settle();
    server().tokenize(URI);
    expect([...document.activations.values("L1N1")]).toEqual([...values, NaN]);
    expect([...document.activations.freshness("L1N1")]).toEqual([
      ...values.map(() => Freshness.stale),
      Freshness.missing,
    ]);
    server().compute(URI);
    expectAnswered(document);
  });

  it("does not send what is too large, says so, and goes on when it is small again", async () => {
    const { document, server, clock } = await connected("one");
    server().answer(URI);
    document.change([{ from: 3, to: 3, insert: "é".repeat(80_000) }]);
    expect(document.problem).toBeInstanceOf(TooLargeError);
    expect(server().document(URI).text).toBe("one");
    document.change([{ from: 1, to: 80_003, insert: "" }]);
    clock.advance(500);
    await settle();
    expect(document.problem).toBeNull();
    server().answer(URI);
    expectAnswered(document);
  });

  it("does not offer a text that the server would refuse for its length, counted in code points", async () => {
    const { document, server, clock } = await connected("🙂".repeat(60_000)); // 120,000 UTF-16 units, of 100,000 code points
    expect(document.problem?.message).toMatch(/^This text has \d+ bytes/);
    document.change([{ from: 0, to: 100_000, insert: "" }]);
    clock.advance(500);
    await settle();
    expect(document.problem).toBeNull();
    expect(server().document(URI).text).toBe("🙂".repeat(10_000));
    document.change([{ from: 0, to: 0, insert: "a".repeat(90_001) }]);
    expect(document.problem?.message).toBe(
      "This text has 100001 characters; the server takes at most 100000. Shorten it to go on.",
    );
    expect(server().document(URI).text).toBe("🙂".repeat(10_000));
    server().peer.drop();
    document.change([{ from: 0, to: 2, insert: "" }]);
    clock.advance(1000);
    await settle();
    expect(document.problem).toBeNull();
  });

  it("tells what the server refuses, and tries again after the next change", async () => {
    const { document, server, clock } = await connected("one");
    server().answer(URI);
    clock.advance(1000);
    server().hold.add("document/open");
    server().peer.notify("document/resync", { uri: URI, reason: "too long" });
    server().peer.refuse(server().held.pop() ?? {}, -32013, "A document has at most 3 characters.", {
      limit: "documentCharacters",
      maximum: 3,
    });
    await settle();
    expect(document.problem?.message).toBe("A document has at most 3 characters.");
    server().hold.clear();
    document.change([{ from: 0, to: 1, insert: "" }]);
    document.change([{ from: 0, to: 1, insert: "" }]);
    clock.advance(500);
    await settle();
    expect(document.problem).toBeNull();
    server().answer(URI);
    expectAnswered(document);
  });

  it("refuses an impossible change and stays as it is", async () => {
    const { document } = await connected("one");
    const { version } = document;
    expect(() => document.change([{ from: 2, to: 9, insert: "" }])).toThrow(RangeError);
    expect(document.version).toBe(version);
    expect(document.text).toBe("one");
    expect(normalize([], 0)).toEqual([]);
  });
});
