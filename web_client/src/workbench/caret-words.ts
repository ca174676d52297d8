/** The values at the caret in words, for people who do not see the colours. */
import { rankOf, rankWords } from "../colour/rank";
import { explainToken } from "../editor/explain";
import { formatDifference, formatValue } from "../editor/format";
import type { Passage } from "./passage";
import type { Workbench } from "./workbench";

/** How many other neurons are named at most, and the least share of their colour range. */
const MOST_OTHERS = 2;
const STRONG = 0.25;

/** What is at the caret of a text: the token, the value of the neuron in focus, and other strong neurons. Empty for
 * none. */
export function caretWords(workbench: Workbench, passage: Passage): string {
  const { document: { text, tokens } } = passage;
  const { caretToken } = passage;
  const { focus, list } = workbench.rows;
  if (caretToken === null || focus === null) return "";
  const { text: spelled } = tokens.at(caretToken);
  const explained = explainToken(tokens, caretToken, (from, to) => text.slice(from, to)).join(", ");
  const token = spelled.trim() === "" || spelled.includes("\ufffd") ? explained : spelled.trim();
  const value = passage.value(focus, caretToken);
  if (Number.isNaN(value)) return `${token}: not computed yet`;
  const statistics = workbench.client.subscriptions.neuron(focus)?.statistics ?? null;
  const rank = statistics === null ? "" : `, ${rankWords(rankOf(value, statistics))}`;
  const compared = passage.valuesAt(caretToken).find(({ key }) => key === focus)?.compared ?? null;
  const note = passage.note(caretToken);
  const beside = compared !== null ? `, right minus left ${formatDifference(compared.difference)}` : note === null ? "" : `, ${note}`;
  const others = list
    .filter(({ key, hidden }) => key !== focus && !hidden)
    .map(({ key }) => ({ key, value: passage.value(key, caretToken), reach: workbench.scale(key).max }))
    .filter((other) => other.value >= STRONG * other.reach)
    .sort((a, b) => b.value / b.reach - a.value / a.reach)
    .slice(0, MOST_OTHERS);
  const also = others.length === 0 ? "" : `. Also ${others.map((other) => `${other.key} ${formatValue(other.value)}`).join(", ")}`;
  return `${token}: ${focus} ${formatValue(value)}${rank}${beside}${also}`;
}
