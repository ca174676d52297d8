/** Which websocket an element's `src` names. */
import { socketAddress as addressOf } from "../client";

/**
 * `src` is the address of a server's websocket (`ws:`, `wss:`), or that of its page (`http:`, `https:`, or relative to
 * `base`): `ws` is beside it. The default is the server of `script`.
 */
export function socketAddress(src: string | null, base: string, script: string): string {
  return addressOf(src === null || src.trim() === "" ? new URL("./", script) : new URL(src, base));
}
