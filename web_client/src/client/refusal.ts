/** Why the server refuses a connection. */
import { RefusedError } from "./errors";
import type { Connector } from "./transport";

const IS_A_WEBSOCKET = 426;
const LONGEST = 200;

/**
 * The same connector, which fails with the server's own sentence (RefusedError) where it has one.
 *
 * Browsers and Node do not tell scripts why a websocket was refused; a plain request to the same address does.
 */
export function explained(connect: Connector, address: URL): Connector {
  return async (signal) => {
    try {
      return await connect(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const answer = await fetch(address, { signal }).catch(() => null);
      if (answer === null || answer.ok || answer.status === IS_A_WEBSOCKET) throw error;
      throw new RefusedError(answer.status, (await answer.text()).trim().slice(0, LONGEST));
    }
  };
}
