/**
 * Checks that an incoming message has the shape that the protocol gives it.
 *
 * Light on purpose: members are checked as far as the client relies on them, members it does not know are left alone, so
 * that a newer server may add some. A message of another shape throws DecodeError, which names the member.
 */
import type {
  ActivationsDone, ActivationsUpdate, DocumentOpenResult, DocumentResync, DocumentTokens, EmptyResult,
  ErrorNotification,
  InitializeResult, LimitsInfo, ModelInfo, ModelsListResult, ModelSummary, Neuron, NeuronsChangedResult, NeuronsResult, NeuronStatistics,
  NeuronsTopResult, Progress, ProgressValue, Requests, ServerNotifications, Token,
} from "../wire";
import { DecodeError } from "./errors";

/** Returns `value`, which is then known to be a T. */
type Check<T> = (value: unknown, path: string) => T;

const string: Check<string> = (value, path) => {
  if (typeof value !== "string") throw new DecodeError(path, "a string");
  return value;
};
const boolean: Check<boolean> = (value, path) => {
  if (typeof value !== "boolean") throw new DecodeError(path, "true or false");
  return value;
};
const number: Check<number> = (value, path) => {
  if (typeof value !== "number") throw new DecodeError(path, "a number");
  return value;
};
const natural: Check<number> = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new DecodeError(path, "a whole number, 0 or more");
  return value as number;
};
const integer: Check<number> = (value, path) => {
  if (!Number.isSafeInteger(value)) throw new DecodeError(path, "a whole number");
  return value as number;
};
const stringOrNumber: Check<string | number> = (value, path) => {
  if (typeof value !== "string" && typeof value !== "number") throw new DecodeError(path, "a string or a number");
  return value;
};
const anything: Check<unknown> = (value) => value;

function oneOf<T extends string>(...names: T[]): Check<T> {
  return (value, path) => {
    if (!names.includes(value as T)) throw new DecodeError(path, `one of ${names.join(", ")}`);
    return value as T;
  };
}
function nullable<T>(check: Check<T>): Check<T | null> {
  return (value, path) => (value === null ? null : check(value, path));
}
/** A member that may be left out; some servers write null for that. */
function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, path) => (value === undefined || value === null ? undefined : check(value, path));
}
function list<T>(check: Check<T>): Check<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new DecodeError(path, "a list");
    for (let i = 0; i < value.length; i++) check(value[i], `${path}[${i}]`);
    return value as T[];
  };
}
function record<T>(check: Check<T>): Check<Record<string, T>> {
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new DecodeError(path, "an object");
    for (const [name, member] of Object.entries(value)) check(member, `${path}.${name}`);
    return value as Record<string, T>;
  };
}
function object<T extends object>(members: { [Name in keyof T]-?: Check<unknown> }): Check<T> {
  const checks = Object.entries<Check<unknown>>(members);
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new DecodeError(path, "an object");
    for (const [name, check] of checks) check((value as Record<string, unknown>)[name], path === "" ? name : `${path}.${name}`);
    return value as T;
  };
}

const statistics = object<NeuronStatistics>({
  max: number, min: number, mean: number, std: number, density: number, quantiles: record(number),
});
const neuron = object<Neuron>({
  key: string, layer: natural, neuron: natural, hook: string, statistics: nullable(statistics),
});
const token = object<Token>({
  id: integer, text: string, from: natural, to: natural, special: optional(boolean), segment: optional(boolean),
});
const modelSummary = object<ModelSummary>({
  id: string, title: string, description: optional(string), loaded: boolean, default: boolean,
});

const modelInfo = object<ModelInfo>({
  id: string, revision: nullable(string), architecture: string, layers: natural, neuronsPerLayer: natural, contextTokens: natural,
  vocabulary: natural, dtype: string, device: string, prependsBos: boolean, hooks: list(string), hasStatistics: boolean,
  dropped: optional(list(string)),
});
const initializeResult = object<InitializeResult>({
  protocolVersion: (value, path) => {
    if (value !== 1) throw new DecodeError(path, "1, the protocol version that this client speaks");
  },
  server: object<InitializeResult["server"]>({ name: string, version: string }),
  session: string, resumeToken: string, resumed: boolean,
  positionEncoding: oneOf("utf-16", "utf-32"), activationEncoding: oneOf("json", "base64"),
  models: list(modelSummary), model: nullable(modelInfo), subscriptions: list(neuron),
  documents: list(object<InitializeResult["documents"][number]>({ uri: string, version: integer, length: natural })),
  limits: object<Pick<LimitsInfo, "frameBytes" | "documentCharacters">>({ frameBytes: natural, documentCharacters: natural }),
});
const modelsListResult = object<ModelsListResult>({ models: list(modelSummary) });
const documentOpenResult = object<DocumentOpenResult>({ uri: string, version: integer, tokenCount: natural });
const neuronsResult = object<NeuronsResult>({ neurons: list(neuron) });
const neuronsTopResult = object<NeuronsTopResult>({
  version: integer, token: natural,
  neurons: list(object<NeuronsTopResult["neurons"][number]>({
    key: string, layer: natural, neuron: natural, value: nullable(number), ratio: nullable(number),
  })),
});
const neuronsChangedResult = object<NeuronsChangedResult>({
  version: integer, previousVersion: nullable(integer), layers: list(natural), comparedTokens: natural,
  neurons: list(object<NeuronsChangedResult["neurons"][number]>({
    key: string, layer: natural, neuron: natural, token: natural, before: number, after: number, change: number, ratio: nullable(number),
  })),
});

const emptyResult = object<EmptyResult>({});

/** What a server answers. */
export const results = {
  "initialize": initializeResult,
  "ping": emptyResult,
  "models/list": modelsListResult,
  "model/load": modelInfo,
  "document/open": documentOpenResult,
  "document/close": emptyResult,
  "neurons/subscribe": neuronsResult,
  "neurons/unsubscribe": neuronsResult,
  "neurons/top": neuronsTopResult,
  "neurons/changed": neuronsChangedResult,
  "rpc.discover": record(anything),
} satisfies { [Method in keyof Requests]: Check<Requests[Method]["result"]> };

/** The notifications that a server sends. */
export const serverNotifications: { [Method in keyof ServerNotifications]: Check<ServerNotifications[Method]> } = {
  "document/tokens": object<DocumentTokens>({
    uri: string, version: integer, model: optional(string), start: natural, deleteCount: natural, tokens: list(token),
    shift: integer, tokenCount: natural, more: optional(boolean),
  }),
  "document/resync": object<DocumentResync>({ uri: string, reason: string }),
  "activations/update": object<ActivationsUpdate>({
    // The rows of `values` are checked where they are decoded.
    uri: string, version: integer, model: optional(string), start: natural, count: natural, neurons: list(string),
    values: (value, path) => (Array.isArray(value) ? value : base64(value, path)),
  }),
  "activations/done": object<ActivationsDone>({
    uri: string, version: integer, model: optional(string), computedTokens: natural, reusedTokens: natural, forwardPasses: natural,
    timing: object<ActivationsDone["timing"]>({
      queueMs: number, tokenizeMs: number, forwardMs: number, totalMs: number, firstUpdateMs: optional(number),
    }),
  }),
  "$/progress": object<Progress>({
    token: stringOrNumber,
    value: object<ProgressValue>({
      kind: oneOf("begin", "report", "end"), title: optional(string), message: optional(string), percentage: optional(number),
    }),
  }),
  "$/error": object<ErrorNotification>({ method: string, code: integer, message: string, data: anything }),
};

const base64 = object<{ dtype: string; shape: number[]; data: string }>({
  dtype: oneOf("float32"), shape: list(natural), data: string,
});
