/** The page's state and verbs. No DOM here. */
export { caretWords } from "./caret-words";
export { type Command, Commands, keyNames, keysOf, type KeyPress, type Shortcut } from "./commands";
export { type AlignmentCounts, COMPARE_COLOURS, type CompareColours, Comparison, type Departure, type TokenPair } from "./comparison";
export { type ChangedNeuron, Discovery, type DiscoveryOptions, type TopNeuron } from "./discovery";
export { LATENCY_PARTS, type Latency, type LatencyPart, latencyOf } from "./latency";
export { neuronpediaPage } from "./neuronpedia";
export { type Notice, Notices } from "./notices";
export { type Lens, Passage, type PassageEvents } from "./passage";
export { DEFAULT_TOP, label, type Offer, type OfferGroup, Palette } from "./palette";
export { LIST, rowCommands } from "./row-commands";
export { comparable, ROW_SORTS, RowOrder, type RowSort, type RowTree, type RowValues } from "./row-order";
export { type Row, Rows } from "./rows";
export { scaleIn } from "./scales";
export { type NeuronState, type PageState, restore, stateOf } from "./state";
export { type SharedView, sharedView, type Theme, THEMES, usualView, View, type ViewState } from "./view";
export { Workbench, type WorkbenchEvents } from "./workbench";
