/** What the status bar says. */
import { connectionHelp, connectionText, type NeuroscopeClient, RefusedError } from "../../src/client";
import { formatValue } from "../../src/editor/format";
import type { Status } from "./host";

const UNAUTHORIZED = 401;

export interface Facts {
  /** Why there is no session although one is wanted, as a sentence. */
  readonly obstacle: string | null;
  readonly server: string;
  readonly client: NeuroscopeClient | null;
  /** Id of the model that is being loaded. */
  readonly loading: string | null;
  /** What is wrong with the settings, as a sentence. */
  readonly problem: string | null;
  /** Why the active text is not coloured, as a sentence. */
  readonly text: string | null;
  /** Key of the neuron that colours the text. */
  readonly neuron: string | null;
  /** Its value at the cursor; NaN if there is none. */
  readonly value: number;
}

export function statusOf({ obstacle, server, client, loading, problem, text, neuron, value }: Facts): Status {
  if (obstacle !== null) return { icon: "problem", text: "Neuroscope: no connection", detail: obstacle, command: "openSettings" };
  if (client === null) return { icon: "off", text: "Neuroscope", detail: "Not connected.", command: "connect" };
  const { state, subscriptions: { absent } } = client;
  if (state.kind === "waiting") {
    const locked = state.cause instanceof RefusedError && state.cause.status === UNAUTHORIZED;
    return {
      icon: "problem", text: locked ? "Neuroscope: token needed" : "Neuroscope: no connection",
      detail: `${server}: ${connectionHelp(state) ?? connectionText(state)}`, command: locked ? "setToken" : "connect",
    };
  }
  if (state.kind !== "ready" || loading !== null) {
    const { title, percentage } = (state.kind === "initializing" ? state.progress : null) ?? {};
    const words = loading === null ? title ?? connectionHelp(state) ?? connectionText(state) : `Loading ${loading}`;
    return { icon: "busy", text: "Neuroscope", detail: percentage === undefined ? words : `${words} (${Math.round(percentage)} %)`, command: "disconnect" };
  }
  if (text !== null) return { icon: "problem", text: "Neuroscope: text not sent", detail: text, command: "chooseNeuron" };
  const wrong = problem ?? (absent.length === 0 ? null : `The model has no ${absent.join(", ")}.`);
  const detail = wrong ?? `${client.model?.id ?? ""} on ${server}`;
  const icon = wrong === null ? "on" : "problem";
  if (neuron === null) return { icon, text: "Neuroscope: no neuron", detail, command: problem === null ? "addNeuron" : "openSettings" };
  return { icon, text: Number.isNaN(value) ? neuron : `${neuron} ${formatValue(value)}`, detail, command: "chooseNeuron" };
}
