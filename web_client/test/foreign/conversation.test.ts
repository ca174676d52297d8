/** A whole conversation of `vscode-jsonrpc` with a server: what it was made for, it does here too. */
import { expect, it } from "vitest";
import { CancellationTokenSource, ParameterStructures, ProgressType, ResponseError } from "vscode-jsonrpc/node";
import type {
  ActivationsDone,
  ActivationsUpdate,
  DocumentTokens,
  ErrorNotification,
  InitializeResult,
  ModelsListResult,
  NeuronsResult,
  NeuronsTopResult,
  ProgressValue,
} from "../../src/wire";
import { connect, environment, type Foreign } from "./connection";
import { TokenMirror } from "./tokens";

const HELLO = { protocolVersion: 1, client: { name: "vscode-jsonrpc", version: "10" } };
const TEXT = "The wave came 🙂, and 42 more.";

/** The error of a request that has to be refused. */
async function refused(request: Promise<unknown>): Promise<ResponseError<unknown>> {
  const answer: unknown = await request.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(answer instanceof ResponseError)) throw new Error("the request was not refused", { cause: answer });
  return answer as ResponseError<unknown>;
}

/** What a frontend keeps of the document `a`. */
class Follower {
  readonly mirror = new TokenMirror();
  readonly updates: ActivationsUpdate[] = [];
  private done: (params: ActivationsDone) => void = () => undefined;

  constructor({ rpc }: Foreign) {
    rpc.onNotification("document/tokens", (params: DocumentTokens) => this.mirror.receive(params));
    rpc.onNotification("activations/update", (params: ActivationsUpdate) => void this.updates.push(params));
    rpc.onNotification("activations/done", (params: ActivationsDone) => this.done(params));
  }

  async until(version: number): Promise<ActivationsDone> {
    for (;;) {
      const done = await new Promise<ActivationsDone>((resolve) => (this.done = resolve));
      if (done.version === version) return done;
    }
  }
}

it("follows a document through edits, is refused what is wrong, and gives up what takes long", async () => {
  const url = environment("NEUROSCOPE_NARROW_URL");
  const foreign = await connect(url);
  const { rpc } = foreign;
  const follower = new Follower(foreign);
  const errors: ErrorNotification[] = [];
  rpc.onNotification("$/error", (params: ErrorNotification) => void errors.push(params));

  expect((await refused(rpc.sendRequest("models/list"))).code).toBe(-32002);
  const hello = await rpc.sendRequest<InitializeResult>("initialize", HELLO);
  expect([hello.positionEncoding, hello.model?.id, hello.resumed]).toEqual(["utf-16", "gpt2", false]);
  const { models } = await rpc.sendRequest<ModelsListResult>("models/list"); // it leaves `params` out
  expect(models.map(({ id }) => id)).toContain("llama");

  // Open, subscribe, change; the values are those that a search at the same token tells.
  const opened = follower.until(1);
  const { tokenCount } = await rpc.sendRequest<{ tokenCount: number }>("document/open", { uri: "a", version: 1, text: TEXT });
  await opened;
  expect(follower.mirror.tokens.length).toBe(tokenCount);
  const { neurons: best } = await rpc.sendRequest<NeuronsTopResult>("neurons/top", { uri: "a", token: 3, k: 2, layers: [0, 1] });
  const known = follower.until(1);
  const keys = best.map(({ key }) => key);
  const { neurons } = await rpc.sendRequest<NeuronsResult>("neurons/subscribe", { neurons: keys });
  expect(neurons.map(({ key }) => key)).toEqual(keys);
  await known;
  const rows = keys.map((key) =>
    follower.updates.flatMap(({ neurons: told, values }) => {
      const row = told.indexOf(key);
      return row < 0 ? [] : ((values as (number | null)[][])[row] ?? []);
    }),
  );
  expect(rows.map((row) => row.length)).toEqual([tokenCount, tokenCount]);
  rows.forEach((row, index) => expect(row[3]).toBeCloseTo(best[index]?.value ?? NaN, 4));

  const edited = follower.until(2);
  const emoji = TEXT.indexOf("🙂");
  const changes = [
    { from: TEXT.length, to: TEXT.length, insert: "!" },
    { from: emoji, to: emoji + 2, insert: "in" },
  ];
  await rpc.sendNotification("document/change", { uri: "a", version: 2, changes });
  expect((await edited).reusedTokens).toBeGreaterThan(0);
  expect(follower.mirror.tokens.map(({ text }) => text).join("")).toMatch(/The wave came in, and 42 more\.!$/);

  // Each mistake has its code, and a sentence that names what is wrong.
  const mistakes: [number, RegExp, Promise<unknown>][] = [
    [-32600, /initialized already/, rpc.sendRequest("initialize", HELLO)],
    [-32601, /neurons\/all/, rpc.sendRequest("neurons/all", {})],
    [-32602, /L9N0/, rpc.sendRequest("neurons/subscribe", { neurons: ["L0N0", "L9N0"] })],
    [-32602, /must be an object/, rpc.sendRequest("document/close", ParameterStructures.byPosition, "a")],
    [-32010, /gpt5/, rpc.sendRequest("model/load", { model: "gpt5" })],
    [-32012, /nowhere/, rpc.sendRequest("document/close", { uri: "nowhere" })],
  ];
  for (const [code, sentence, request] of mistakes) {
    const error = await refused(request);
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(sentence)]);
  }
  await rpc.sendNotification("document/change", { uri: "a", version: "three", changes: [] });
  await rpc.sendRequest("models/list"); // what was said before has come by now
  expect(errors).toEqual([expect.objectContaining({ method: "document/change", code: -32602 })]);

  // Loading a model tells how far it is, and ends when the library cancels the request.
  const cancellation = new CancellationTokenSource();
  const told: string[] = [];
  rpc.onProgress(new ProgressType<ProgressValue>(), "load", ({ kind }) => {
    told.push(kind);
    cancellation.cancel();
  });
  const load = rpc.sendRequest("model/load", { model: "broken", workDoneToken: "load" }, cancellation.token);
  expect((await refused(load)).code).toBe(-32800);
  expect(told[0]).toBe("begin");

  // Somebody else takes the session up: the server says goodbye to the first.
  const heir = await connect(url);
  const resume = { session: hello.session, resumeToken: hello.resumeToken };
  const again = await heir.rpc.sendRequest<InitializeResult>("initialize", { ...HELLO, resume });
  expect([again.resumed, again.model?.id, again.subscriptions.map(({ key }) => key)]).toEqual([true, "gpt2", keys]);
  expect(await foreign.closed).toBe(1000);
  expect(await heir.rpc.sendRequest("document/close", { uri: "a" })).toEqual({});
  expect(await heir.close()).toBe(1000);
}, 60_000);
