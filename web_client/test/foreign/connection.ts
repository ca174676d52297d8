/**
 * A connection of `vscode-jsonrpc`, over a websocket of `ws`, to a real server: what an extension of Visual Studio Code has.
 *
 * Nothing of this project's client is used.
 */
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  createMessageConnection,
  type DataCallback,
  type Message,
  type MessageConnection,
} from "vscode-jsonrpc/node";
import { WebSocket } from "ws";

export interface Foreign {
  readonly rpc: MessageConnection;
  /** Says goodbye; the websocket's close code. */
  readonly close: () => Promise<number>;
  /** The close code, once the websocket is closed. */
  readonly closed: Promise<number>;
}

/** A variable that has to be there. */
export function environment(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: tests/server/test_foreign_clients.py runs these tests`);
  return value;
}

/** Connects to the server at an `http:` address. */
export async function connect(url: string): Promise<Foreign> {
  const socket = new WebSocket(`${url.replace("http", "ws")}ws`, ["neuroscope.v1"]);
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const rpc = createMessageConnection(new Reader(socket), new Writer(socket));
  rpc.listen();
  const close = (): Promise<number> => {
    rpc.end(); // its writer closes the websocket
    return closed;
  };
  return { rpc, close, closed };
}

class Reader extends AbstractMessageReader {
  constructor(private readonly socket: WebSocket) {
    super();
  }

  listen(callback: DataCallback): { dispose: () => void } {
    const receive = (frame: Buffer): void => callback(JSON.parse(frame.toString("utf8")) as Message);
    this.socket.on("message", receive);
    this.socket.once("close", () => this.fireClose());
    return { dispose: () => this.socket.off("message", receive) };
  }
}

class Writer extends AbstractMessageWriter {
  constructor(private readonly socket: WebSocket) {
    super();
  }

  write(message: Message): Promise<void> {
    return new Promise((resolve, reject) =>
      this.socket.send(JSON.stringify(message), (error) => (error ? reject(error) : resolve())),
    );
  }

  end(): void {
    this.socket.close(1000);
  }
}
