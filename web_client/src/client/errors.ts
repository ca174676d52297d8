/**
 * Every error that the client library raises.
 *
 *     NeuroscopeError
 *     ├── RequestError      the server refused a request, or could not do it; carries its code
 *     ├── DisconnectedError the connection was lost before the answer came
 *     ├── TimeoutError      the time limit passed before the answer came
 *     ├── RefusedError      the server did not let us connect, and said why
 *     ├── DecodeError       a message does not have the shape that the protocol gives it
 *     └── TooLargeError     a text is larger than the server accepts, so it was not sent
 */
export class NeuroscopeError extends Error {
  override name = "NeuroscopeError";

  /** What was thrown, as an error: anything can be. */
  static of(thrown: unknown): Error {
    return thrown instanceof Error ? thrown : new NeuroscopeError(String(thrown));
  }
}

/** Codes of the protocol, section 7. */
export const ErrorCode = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  notInitialized: -32002,
  cancelled: -32800,
  unknownModel: -32010,
  modelFailed: -32011,
  unknownDocument: -32012,
  limitExceeded: -32013,
  overloaded: -32014,
} as const;

export class RequestError extends NeuroscopeError {
  override name = "RequestError";
  constructor(readonly method: string, readonly code: number, message: string, readonly data?: unknown) {
    super(message);
  }
}

export class DisconnectedError extends NeuroscopeError {
  override name = "DisconnectedError";
  constructor(readonly code: number, readonly reason: string) {
    super(reason === "" ? `The connection is closed (${code}).` : `The connection is closed (${code}: ${reason}).`);
  }
}

export class TimeoutError extends NeuroscopeError {
  override name = "TimeoutError";
  constructor(readonly what: string, readonly timeoutMs: number) {
    super(`${what}: no answer within ${timeoutMs / 1000} s`);
  }
}

export class RefusedError extends NeuroscopeError {
  override name = "RefusedError";
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

export class DecodeError extends NeuroscopeError {
  override name = "DecodeError";
  constructor(readonly path: string, readonly expected: string) {
    super(`${path === "" ? "the message" : path} is not ${expected}`);
  }
}

export class TooLargeError extends NeuroscopeError {
  override name = "TooLargeError";
  constructor(readonly size: number, readonly maximum: number, readonly unit: "bytes" | "characters") {
    super(`This text has ${size} ${unit}; the server takes at most ${maximum}. Shorten it to go on.`);
  }
}
