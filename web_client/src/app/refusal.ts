/** Why the server does not let the page in. */
import { type Connector, RefusedError } from "../client";

const IS_A_WEBSOCKET = 426;
const LONGEST = 200;

/**
 * The same connector, which fails with the server's own sentence where it has one.
 *
 * A browser keeps from scripts why a websocket was refused; the same address, asked for plainly, tells.
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
