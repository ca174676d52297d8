// Prints each token of a text with the activations of two neurons: node values.mjs ws://127.0.0.1:8740/ws "Some text"
// Needs Node 22 or newer; in a browser it is the same but for the last line.
const [url, text] = process.argv.slice(2);
const socket = new WebSocket(url);
const send = (method, params) => socket.send(JSON.stringify({ jsonrpc: "2.0", id: method, method, params }));
const tokens = [];
let rows = [[], []];

socket.onopen = () => {
  send("initialize", { protocolVersion: 1, client: { name: "example" } });
  send("neurons/subscribe", { neurons: ["L0N1", "L1N2"] });
  send("document/open", { uri: "a", version: 1, text });
};
socket.onmessage = ({ data }) => {
  const { method, params } = JSON.parse(data);
  if (method === "document/tokens") tokens.push(...params.tokens);
  if (method === "activations/update") rows = rows.map((row, i) => row.concat(params.values[i]));
  if (method !== "activations/done") return;
  tokens.forEach((token, i) => console.log(JSON.stringify(token.text), rows[0][i].toFixed(3), rows[1][i].toFixed(3)));
  socket.close();
};
socket.onerror = () => { console.error(`cannot reach ${url}`); process.exitCode = 1; };
