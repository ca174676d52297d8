// The messages of protocol version 1. Generated from openrpc.json by scripts/generate-wire.mjs; do not edit.

/**
 * Every subscribed neuron of every token of `version` has been sent.
 */
export interface ActivationsDone {
  /**
   * The document.
   */
  uri: string;
  /**
   * Version of the text of all these values.
   */
  version: number;
  /**
   * `ModelInfo.id` of the model that it was made with.
   */
  model?: string;
  /**
   * Tokens that went through the model.
   */
  computedTokens: number;
  /**
   * Tokens whose values were reused.
   */
  reusedTokens: number;
  /**
   * Forward passes that it took.
   */
  forwardPasses: number;
  timing: Timing;
}
/**
 * Milliseconds from the arrival of the oldest change that this version answers.
 */
export interface Timing {
  /**
   * Waiting for the engine, in ms.
   */
  queueMs: number;
  /**
   * Tokenizing, in ms.
   */
  tokenizeMs: number;
  /**
   * Forward passes, in ms.
   */
  forwardMs: number;
  /**
   * In total, in ms.
   */
  totalMs: number;
  /**
   * Until the first values were sent.
   */
  firstUpdateMs?: number;
}
/**
 * The values of `neurons` at tokens `[start, start + count)`, one row per neuron.
 */
export interface ActivationsUpdate {
  /**
   * The document.
   */
  uri: string;
  /**
   * Of the last `document/tokens`.
   */
  version: number;
  /**
   * `ModelInfo.id` of the model that it was made with.
   */
  model?: string;
  /**
   * Index of the first token.
   */
  start: number;
  /**
   * Number of tokens.
   */
  count: number;
  /**
   * Keys, one per row.
   */
  neurons: string[];
  /**
   * Activations, [neurons, count]; null, or NaN in base64, for one that is not a finite number.
   */
  values: (number | null)[][] | Base64Values;
}
export interface Base64Values {
  /**
   * Type of each number.
   */
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
  /**
   * Id of the request to cancel.
   */
  id: string | number;
}
/**
 * Replace `[from, to)` by `insert`; offsets in the document before the message, in the negotiated unit.
 */
export interface Change {
  /**
   * Where the replaced range begins.
   */
  from: number;
  /**
   * Where it ends, exclusive.
   */
  to: number;
  /**
   * The text that replaces it.
   */
  insert: string;
}
/**
 * A neuron, and the token at which it changed most.
 */
export interface ChangedNeuron {
  /**
   * As in `Neuron.key`.
   */
  key: string;
  /**
   * Layer, from 0.
   */
  layer: number;
  /**
   * Neuron of the layer, from 0.
   */
  neuron: number;
  /**
   * Index into the token list of `version`.
   */
  token: number;
  /**
   * Activation there in `previousVersion`.
   */
  before: number;
  /**
   * Activation there in `version`.
   */
  after: number;
  /**
   * `after` minus `before`.
   */
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
  /**
   * The frontend's name, for the server's log.
   */
  name: string;
  /**
   * Of the frontend.
   */
  version?: string | null;
}
export interface DocumentChangeParams {
  /**
   * The client's name for a document.
   */
  uri: string;
  /**
   * A document's version; increases with each change.
   */
  version: number;
  /**
   * In any order; their ranges must not overlap.
   *
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
   * A document's version; increases with each change.
   */
  version: number;
  /**
   * The whole text; line endings are kept.
   */
  text: string;
}
export interface DocumentOpenResult {
  /**
   * The client's name for it.
   */
  uri: string;
  /**
   * The version that was tokenised.
   */
  version: number;
  /**
   * Length of its token list.
   */
  tokenCount: number;
}
/**
 * The server no longer follows this document: open it again.
 */
export interface DocumentResync {
  /**
   * The document.
   */
  uri: string;
  /**
   * Why, for people.
   */
  reason: string;
}
/**
 * A splice: remove `deleteCount` tokens at `start`, insert `tokens`, add `shift` to all spans after them.
 *
 * A long one is sent as several of the same version, each a complete splice.
 */
export interface DocumentTokens {
  /**
   * The document.
   */
  uri: string;
  /**
   * Version of the text of these tokens.
   */
  version: number;
  /**
   * `ModelInfo.id` of the model that it was made with.
   */
  model?: string;
  /**
   * Index of the first token that is replaced.
   */
  start: number;
  /**
   * How many are removed.
   */
  deleteCount: number;
  /**
   * Inserted in their place.
   */
  tokens: Token[];
  /**
   * Added to both ends of the span of every token after them.
   */
  shift: number;
  /**
   * Length of the resulting list.
   */
  tokenCount: number;
  /**
   * More tokens of this version follow in the next message.
   */
  more?: true;
}
export interface Token {
  /**
   * Of the token in the model's vocabulary.
   */
  id: number;
  /**
   * Decoded; U+FFFD for bytes that are not a character by themselves.
   */
  text: string;
  /**
   * Where its span begins, in the document of `version`.
   */
  from: number;
  /**
   * Where its span ends, exclusive.
   */
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
 * A notification could not be acted on, or the newest version of a document could not be evaluated.
 */
export interface ErrorNotification {
  /**
   * Of the notification or, for a document, of what was to be evaluated.
   */
  method: string;
  /**
   * As in an answer's error.
   */
  code: number;
  /**
   * A sentence for people.
   */
  message: string;
  /**
   * Further members, such as the one at fault; `uri` if it is about a document, and `version`, the newest one that it answers.
   */
  data?: {
    [k: string]: unknown;
  };
}
/**
 * Component `index` of a TransformerLens hook point.
 */
export interface HookIndex {
  /**
   * A hook point of `ModelInfo.hooks`.
   */
  hook: string;
  /**
   * Component of its activation, from 0.
   */
  index: number;
}
export interface InitializeParams {
  /**
   * 1; with any other, `data.supported` of the error lists the supported versions.
   */
  protocolVersion: number;
  client: ClientInfo;
  /**
   * Supported encodings, the preferred first; default utf-16.
   *
   * @maxItems 1000
   */
  positionEncodings?: string[];
  /**
   * Supported encodings, the preferred first; default json.
   *
   * @maxItems 1000
   */
  activationEncodings?: string[];
  /**
   * The session of a dropped connection, to resume it.
   */
  resume?: Resume | null;
  /**
   * Token of the `$/progress` that is sent while the model loads.
   */
  workDoneToken?: string | number | null;
}
/**
 * The session of a dropped connection, and the secret that `initialize` returned with it.
 */
export interface Resume {
  /**
   * `InitializeResult.session` of the dropped connection.
   */
  session: string;
  /**
   * Its `resumeToken`.
   */
  resumeToken: string;
}
export interface InitializeResult {
  /**
   * The version in use: 1.
   */
  protocolVersion: number;
  server: ServerInfo;
  /**
   * Name of the session, for `resume`.
   */
  session: string;
  /**
   * The secret that `resume` needs.
   */
  resumeToken: string;
  /**
   * Whether the requested session was resumed.
   */
  resumed: boolean;
  /**
   * Unit of all offsets.
   */
  positionEncoding: "utf-16" | "utf-32";
  /**
   * Form of `ActivationsUpdate.values`.
   */
  activationEncoding: "json" | "base64";
  /**
   * The models that a session can choose from.
   */
  models: ModelSummary[];
  /**
   * The session's model; null if the server was started without one.
   */
  model: ModelInfo | null;
  /**
   * What is subscribed, in row order; none in a new session.
   */
  subscriptions: Neuron[];
  /**
   * What the resumed session has open; none in a new one.
   */
  documents: OpenDocument[];
  limits: LimitsInfo;
}
/**
 * Who answers.
 */
export interface ServerInfo {
  /**
   * Of the server's software.
   */
  name: string;
  /**
   * Of the server's software.
   */
  version: string;
}
export interface ModelSummary {
  /**
   * What `model/load` takes.
   */
  id: string;
  /**
   * For people.
   */
  title: string;
  /**
   * A sentence or two, for people.
   */
  description?: string;
  /**
   * Whether it is in memory.
   */
  loaded: boolean;
  /**
   * New sessions start with it.
   */
  default: boolean;
}
/**
 * Everything that values depend on, so that others can reproduce them.
 */
export interface ModelInfo {
  /**
   * As in `ModelSummary.id`.
   */
  id: string;
  /**
   * Resolved commit on the Hub; null for a local folder.
   */
  revision: string | null;
  /**
   * Class name in Hugging Face Transformers.
   */
  architecture: string;
  /**
   * Number of layers.
   */
  layers: number;
  /**
   * MLP neurons in each layer.
   */
  neuronsPerLayer: number;
  /**
   * Longest context, in tokens.
   */
  contextTokens: number;
  /**
   * Number of different tokens.
   */
  vocabulary: number;
  /**
   * Precision of the weights, such as `float32`.
   */
  dtype: string;
  /**
   * Where it runs, such as `cpu` or `cuda:0`.
   */
  device: string;
  /**
   * Each context begins with a BOS token that the server adds.
   */
  prependsBos: boolean;
  /**
   * Hook points that can be subscribed to.
   */
  hooks: string[];
  /**
   * `Neuron.statistics` are known.
   */
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
  /**
   * Layer, from 0.
   */
  layer: number;
  /**
   * Neuron of the layer, or component at the hook point, from 0.
   */
  neuron: number;
  /**
   * TransformerLens's name of the hook point.
   */
  hook: string;
  /**
   * Over held-out text; null if there are none.
   */
  statistics: NeuronStatistics | null;
}
/**
 * A neuron's activations over held-out text, without BOS positions.
 */
export interface NeuronStatistics {
  /**
   * Largest activation.
   */
  max: number;
  /**
   * Smallest activation.
   */
  min: number;
  /**
   * Mean activation.
   */
  mean: number;
  /**
   * Standard deviation of the activation.
   */
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
  /**
   * The client's name for it.
   */
  uri: string;
  /**
   * The newest that the server has.
   */
  version: number;
  /**
   * In the negotiated position encoding.
   */
  length: number;
}
/**
 * The server's limits.
 */
export interface LimitsInfo {
  /**
   * Sessions at once, dropped ones that are kept included.
   */
  sessions: number;
  /**
   * Of these, sessions of one network address.
   */
  sessionsPerAddress?: number;
  /**
   * Size of one frame, in bytes of UTF-8.
   */
  frameBytes: number;
  /**
   * Open documents of a session.
   */
  documents: number;
  /**
   * Length of a document, in code points.
   */
  documentCharacters: number;
  /**
   * Length of a document, in tokens.
   */
  documentTokens: number;
  /**
   * Subscribed neurons of a session.
   */
  subscriptions: number;
  /**
   * What a session may send in the long run, in messages per second.
   */
  messagesPerSecond: number;
  /**
   * Memory for the computed state of all models together, in bytes.
   */
  cacheBytes?: number;
  /**
   * Models in memory at once.
   */
  modelsLoaded?: number;
  /**
   * How long a connection may be silent; 0: for ever.
   */
  idleSeconds?: number;
}
/**
 * Neuron `neuron` of layer `layer` at `blocks.{layer}.mlp.hook_post`.
 */
export interface LayerNeuron {
  /**
   * Layer, from 0.
   */
  layer: number;
  /**
   * Neuron of the layer, from 0.
   */
  neuron: number;
}
export interface LimitsInfo1 {
  /**
   * Sessions at once, dropped ones that are kept included.
   */
  sessions: number;
  /**
   * Of these, sessions of one network address.
   */
  sessionsPerAddress?: number;
  /**
   * Size of one frame, in bytes of UTF-8.
   */
  frameBytes: number;
  /**
   * Open documents of a session.
   */
  documents: number;
  /**
   * Length of a document, in code points.
   */
  documentCharacters: number;
  /**
   * Length of a document, in tokens.
   */
  documentTokens: number;
  /**
   * Subscribed neurons of a session.
   */
  subscriptions: number;
  /**
   * What a session may send in the long run, in messages per second.
   */
  messagesPerSecond: number;
  /**
   * Memory for the computed state of all models together, in bytes.
   */
  cacheBytes?: number;
  /**
   * Models in memory at once.
   */
  modelsLoaded?: number;
  /**
   * How long a connection may be silent; 0: for ever.
   */
  idleSeconds?: number;
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
  /**
   * The models that a session can choose from.
   */
  models: ModelSummary[];
}
export interface NeuronsChangedParams {
  /**
   * The client's name for a document.
   */
  uri: string;
  /**
   * How many at most.
   */
  k: number;
  /**
   * The version to compare with; default: the last but one.
   */
  since?: number | null;
  /**
   * Layers to search; default: all.
   */
  layers?: number[] | null;
  /**
   * Rank by change, or by change over the neuron's statistical maximum.
   */
  by?: "activation" | "ratio";
}
export interface NeuronsChangedResult {
  /**
   * The newer of the two versions.
   */
  version: number;
  /**
   * What was compared with; null if the server has no older version.
   */
  previousVersion: number | null;
  /**
   * The layers that were compared.
   */
  layers: number[];
  /**
   * Tokens after a difference that both versions have.
   */
  comparedTokens: number;
  /**
   * Those that changed most first.
   */
  neurons: ChangedNeuron[];
}
export interface NeuronsParams {
  /**
   * References; each neuron once is enough.
   *
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
  /**
   * How many at most.
   */
  k: number;
  /**
   * Layers to search; default: all.
   */
  layers?: number[] | null;
  /**
   * Rank by value, or by value over the neuron's statistical maximum.
   */
  by?: "activation" | "ratio";
}
export interface NeuronsTopResult {
  /**
   * Of the document whose token list was meant.
   */
  version: number;
  /**
   * As asked.
   */
  token: number;
  /**
   * The highest first.
   */
  neurons: TopNeuron[];
}
export interface TopNeuron {
  /**
   * As in `Neuron.key`.
   */
  key: string;
  /**
   * Layer, from 0.
   */
  layer: number;
  /**
   * Neuron of the layer, from 0.
   */
  neuron: number;
  /**
   * Activation at the token.
   */
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
  /**
   * The `workDoneToken` that was given.
   */
  token: string | number;
  value: ProgressValue;
}
/**
 * As in LSP's work done progress.
 */
export interface ProgressValue {
  /**
   * `begin` and `end` come once.
   */
  kind: "begin" | "report" | "end";
  /**
   * What is being done, with `begin`.
   */
  title?: string;
  /**
   * Where it stands.
   */
  message?: string;
  /**
   * 0 to 100.
   */
  percentage?: number;
}
export interface ProgressValue1 {
  /**
   * `begin` and `end` come once.
   */
  kind: "begin" | "report" | "end";
  /**
   * What is being done, with `begin`.
   */
  title?: string;
  /**
   * Where it stands.
   */
  message?: string;
  /**
   * 0 to 100.
   */
  percentage?: number;
}
export interface ServerInfo1 {
  /**
   * Of the server's software.
   */
  name: string;
  /**
   * Of the server's software.
   */
  version: string;
}

/** Requests of the client. */
export interface Requests {
  "initialize": { params: InitializeParams; result: InitializeResult };
  "ping": { params: NoParams; result: EmptyResult };
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
