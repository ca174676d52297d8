// The messages of protocol version 1. Generated from openrpc.json by scripts/generate-wire.mjs; do not edit.

/**
 * Every subscribed neuron of every token of `version` has been sent.
 */
export interface ActivationsDone {
  uri: string;
  version: number;
  computedTokens: number;
  reusedTokens: number;
  forwardPasses: number;
  timing: Timing;
}
/**
 * Milliseconds from the arrival of the oldest change that this version answers.
 */
export interface Timing {
  queueMs: number;
  tokenizeMs: number;
  forwardMs: number;
  totalMs: number;
  /**
   * Until the first values were sent.
   */
  firstUpdateMs?: number;
}
/**
 * The values of `neurons` at tokens `[start, start + count)`, one row a neuron.
 */
export interface ActivationsUpdate {
  uri: string;
  version: number;
  start: number;
  count: number;
  neurons: string[];
  values: (number | null)[][] | Base64Values;
}
export interface Base64Values {
  dtype: "float32";
  /**
   * [rows, count]
   *
   * @minItems 2
   * @maxItems 2
   */
  shape: number[];
  /**
   * Little-endian float32, row by row, in base64.
   */
  data: string;
}
export interface CancelParams {
  id: string | number;
}
/**
 * Replace `[from, to)` by `insert`; offsets in the document before the message, in the negotiated unit.
 */
export interface Change {
  from: number;
  to: number;
  insert: string;
}
/**
 * A neuron, and the token at which it changed most.
 */
export interface ChangedNeuron {
  key: string;
  layer: number;
  neuron: number;
  token: number;
  before: number;
  after: number;
  change: number;
  /**
   * Change over the statistical maximum, if that is known.
   */
  ratio: number | null;
}
/**
 * Who connects; for the log.
 */
export interface ClientInfo {
  name: string;
  version?: string | null;
}
export interface DocumentChangeParams {
  /**
   * The client's name for a document.
   */
  uri: string;
  /**
   * A document's version; grows with each change.
   */
  version: number;
  /**
   * @maxItems 10000
   */
  changes: Change[];
}
export interface DocumentCloseParams {
  /**
   * The client's name for a document.
   */
  uri: string;
}
export interface DocumentOpenParams {
  /**
   * The client's name for a document.
   */
  uri: string;
  /**
   * A document's version; grows with each change.
   */
  version: number;
  text: string;
}
export interface DocumentOpenResult {
  uri: string;
  /**
   * The version that was tokenised.
   */
  version: number;
  tokenCount: number;
}
/**
 * The server no longer follows this document: open it again.
 */
export interface DocumentResync {
  uri: string;
  reason: string;
}
/**
 * A splice: remove `deleteCount` tokens at `start`, insert `tokens`, add `shift` to all spans after them.
 */
export interface DocumentTokens {
  uri: string;
  version: number;
  start: number;
  deleteCount: number;
  tokens: Token[];
  shift: number;
  tokenCount: number;
}
export interface Token {
  id: number;
  /**
   * Decoded; U+FFFD for bytes that are no character alone.
   */
  text: string;
  from: number;
  to: number;
  /**
   * Added by the server (BOS).
   */
  special?: true;
  /**
   * First token of a new context.
   */
  segment?: true;
}
export interface EmptyResult {}
/**
 * A notification of the client's could not be acted on.
 */
export interface ErrorNotification {
  method: string;
  code: number;
  message: string;
  data?: {
    [k: string]: unknown;
  };
}
/**
 * Component `index` of a TransformerLens hook point.
 */
export interface HookIndex {
  hook: string;
  index: number;
}
export interface InitializeParams {
  protocolVersion: number;
  client: ClientInfo;
  /**
   * Known encodings, the preferred first; default utf-16.
   *
   * @maxItems 1000
   */
  positionEncodings?: string[];
  /**
   * Known encodings, the preferred first; default json.
   *
   * @maxItems 1000
   */
  activationEncodings?: string[];
  resume?: Resume | null;
  /**
   * Token of the `$/progress` told while the model still loads.
   */
  workDoneToken?: string | number | null;
}
/**
 * The session of a dropped connection, and the secret that `initialize` returned with it.
 */
export interface Resume {
  session: string;
  resumeToken: string;
}
export interface InitializeResult {
  protocolVersion: number;
  server: ServerInfo;
  session: string;
  resumeToken: string;
  resumed: boolean;
  positionEncoding: "utf-16" | "utf-32";
  activationEncoding: "json" | "base64";
  models: ModelSummary[];
  model: ModelInfo | null;
  subscriptions: Neuron[];
  documents: OpenDocument[];
  limits: LimitsInfo;
}
export interface ServerInfo {
  name: string;
  version: string;
}
export interface ModelSummary {
  id: string;
  title: string;
  description?: string;
  loaded: boolean;
  default: boolean;
}
/**
 * What decides a value, so that others can reproduce it.
 */
export interface ModelInfo {
  id: string;
  /**
   * Resolved commit on the Hub; null for a local folder.
   */
  revision: string | null;
  architecture: string;
  layers: number;
  neuronsPerLayer: number;
  contextTokens: number;
  vocabulary: number;
  dtype: string;
  device: string;
  prependsBos: boolean;
  /**
   * Hook points that can be subscribed to.
   */
  hooks: string[];
  hasStatistics: boolean;
  /**
   * Keys that this model does not have.
   */
  dropped?: string[];
}
export interface Neuron {
  /**
   * `L3N42`, or `{hook}/{index}` away from `mlp.hook_post`.
   */
  key: string;
  layer: number;
  neuron: number;
  hook: string;
  statistics: NeuronStatistics | null;
}
/**
 * A neuron's activations over held-out text, BOS positions left out.
 */
export interface NeuronStatistics {
  max: number;
  min: number;
  mean: number;
  std: number;
  /**
   * Fraction of tokens above 0.
   */
  density: number;
  /**
   * Level, such as `0.99`, to value.
   */
  quantiles: {
    [k: string]: number;
  };
}
export interface OpenDocument {
  uri: string;
  version: number;
  /**
   * In the negotiated position encoding.
   */
  length: number;
}
export interface LimitsInfo {
  sessions: number;
  sessionsPerAddress?: number;
  frameBytes: number;
  documents: number;
  documentCharacters: number;
  documentTokens: number;
  subscriptions: number;
  messagesPerSecond: number;
  /**
   * Memory for the computed state of one model.
   */
  cacheBytes?: number;
  /**
   * Models in memory at once.
   */
  modelsLoaded?: number;
  /**
   * How long a connection may say nothing; 0 where it may for ever.
   */
  idleSeconds?: number;
}
/**
 * Neuron `neuron` of layer `layer` at `blocks.{layer}.mlp.hook_post`.
 */
export interface LayerNeuron {
  layer: number;
  neuron: number;
}
export interface ModelLoadParams {
  /**
   * A `ModelSummary.id`.
   */
  model: string;
  /**
   * Token of the load's `$/progress`.
   */
  workDoneToken?: string | number | null;
}
export interface ModelsListResult {
  models: ModelSummary[];
}
export interface NeuronsChangedParams {
  /**
   * The client's name for a document.
   */
  uri: string;
  k: number;
  /**
   * The version to compare with; the last but one when absent.
   */
  since?: number | null;
  /**
   * Layers to look at; all when absent.
   */
  layers?: number[] | null;
  /**
   * Rank by change, or by change over the neuron's statistical maximum.
   */
  by?: "activation" | "ratio";
}
export interface NeuronsChangedResult {
  version: number;
  /**
   * What was compared with; null where nothing is known.
   */
  previousVersion: number | null;
  /**
   * The layers that were compared.
   */
  layers: number[];
  /**
   * Tokens that stand in both versions after what differs.
   */
  comparedTokens: number;
  neurons: ChangedNeuron[];
}
export interface NeuronsParams {
  /**
   * @maxItems 10000
   *
   * Items: `L3N42`, `{layer, neuron}`, `{hook, index}` or any neuron's key.
   */
  neurons: (string | LayerNeuron | HookIndex)[];
}
export interface NeuronsResult {
  /**
   * All subscribed now, in row order.
   */
  neurons: Neuron[];
}
export interface NeuronsTopParams {
  /**
   * The client's name for a document.
   */
  uri: string;
  /**
   * Index into the document's token list.
   */
  token: number;
  k: number;
  /**
   * Layers to look at; all when absent.
   */
  layers?: number[] | null;
  /**
   * Rank by value, or by value over the neuron's statistical maximum.
   */
  by?: "activation" | "ratio";
}
export interface NeuronsTopResult {
  version: number;
  token: number;
  neurons: TopNeuron[];
}
export interface TopNeuron {
  key: string;
  layer: number;
  neuron: number;
  value: number | null;
  /**
   * Value over the statistical maximum, if that is known.
   */
  ratio: number | null;
}
/**
 * A method without parameters.
 */
export interface NoParams {}
export interface Progress {
  token: string | number;
  value: ProgressValue;
}
export interface ProgressValue {
  kind: "begin" | "report" | "end";
  title?: string;
  message?: string;
  percentage?: number;
}

/** Requests of the client. */
export interface Requests {
  "initialize": { params: InitializeParams; result: InitializeResult };
  "models/list": { params: NoParams; result: ModelsListResult };
  "model/load": { params: ModelLoadParams; result: ModelInfo };
  "document/open": { params: DocumentOpenParams; result: DocumentOpenResult };
  "document/close": { params: DocumentCloseParams; result: EmptyResult };
  "neurons/subscribe": { params: NeuronsParams; result: NeuronsResult };
  "neurons/unsubscribe": { params: NeuronsParams; result: NeuronsResult };
  "neurons/top": { params: NeuronsTopParams; result: NeuronsTopResult };
  "neurons/changed": { params: NeuronsChangedParams; result: NeuronsChangedResult };
  "rpc.discover": { params: NoParams; result: unknown };
}

/** Notifications of the client. */
export interface ClientNotifications {
  "document/change": DocumentChangeParams;
  "$/cancelRequest": CancelParams;
}

/** Notifications of the server. */
export interface ServerNotifications {
  "document/tokens": DocumentTokens;
  "document/resync": DocumentResync;
  "activations/update": ActivationsUpdate;
  "activations/done": ActivationsDone;
  "$/progress": Progress;
  "$/error": ErrorNotification;
}
