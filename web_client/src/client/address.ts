/** Where a server's websocket is. */

/**
 * The websocket of the server at `url`, which is its own address (`ws:`, `wss:`) or that of the server's page (`http:`,
 * `https:`): `ws` is beside it. A `token` goes along in the query, where browsers can send one.
 * Throws TypeError for an invalid address.
 */
export function socketAddress(url: string | URL, token?: string): string {
  const wrong = new TypeError(`${String(url)} is not the address of a Neuroscope server`);
  let address: URL;
  try {
    address = new URL(url);
  } catch {
    throw wrong;
  }
  if (address.protocol === "http:" || address.protocol === "https:") {
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    if (address.pathname.endsWith("/")) address.pathname += "ws";
  } else if (address.protocol !== "ws:" && address.protocol !== "wss:") {
    throw new TypeError(`${address.href} is not the address of a Neuroscope server`);
  }
  address.hash = "";
  if (token !== undefined) address.searchParams.set("token", token);
  return address.href;
}

/** The same address for a plain request. */
export function plainAddress(socket: string): URL {
  return new URL(socket.replace(/^ws/, "http"));
}
