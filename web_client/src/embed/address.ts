/** Which websocket an element's `src` names. */

/**
 * `src` is the address of a server's websocket (`ws:`, `wss:`), or that of its page (`http:`, `https:`, or relative to
 * `base`): `ws` is beside it. Without one it is the server that `script` came from.
 */
export function socketAddress(src: string | null, base: string, script: string): string {
  const url = src === null || src.trim() === "" ? new URL("./", script) : new URL(src, base);
  if (url.protocol === "ws:" || url.protocol === "wss:") return url.href;
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new TypeError(`${url.href} is no address of a Neuroscope server`);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (url.pathname.endsWith("/")) url.pathname += "ws";
  url.hash = "";
  return url.href;
}
