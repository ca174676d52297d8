/** The page's state and verbs. No DOM here. */
export { type Command, Commands, keysOf, type KeyPress } from "./commands";
export { type ChangedNeuron, Discovery, type DiscoveryOptions, type TopNeuron } from "./discovery";
export { type Notice, Notices } from "./notices";
export { Passage, type PassageEvents } from "./passage";
export { type Row, Rows } from "./rows";
export { type NeuronState, type PageState, restore, stateOf } from "./state";
export { View, type ViewState } from "./view";
export { Workbench, type WorkbenchEvents } from "./workbench";
