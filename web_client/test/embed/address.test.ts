import { describe, expect, it } from "vitest";
import { socketAddress } from "../../src/embed/address";

const PAGE = "https://lab.example/notes/today.html";
const SCRIPT = "http://127.0.0.1:8740/scope/neuro-scope.js?v=2";

describe("socketAddress", () => {
  it("takes a websocket as it is", () => {
    expect(socketAddress("wss://gpu.example/scope/ws?token=a", PAGE, SCRIPT)).toBe("wss://gpu.example/scope/ws?token=a");
  });

  it("finds the websocket beside a server's page", () => {
    expect(socketAddress("https://gpu.example/scope/?token=a#here", PAGE, SCRIPT)).toBe("wss://gpu.example/scope/ws?token=a");
    expect(socketAddress("http://gpu.example:8740", PAGE, SCRIPT)).toBe("ws://gpu.example:8740/ws");
    expect(socketAddress("/scope/", PAGE, SCRIPT)).toBe("wss://lab.example/scope/ws");
    expect(socketAddress("http://gpu.example/own-name", PAGE, SCRIPT)).toBe("ws://gpu.example/own-name");
  });

  it("without one takes the server that the script came from", () => {
    expect(socketAddress(null, PAGE, SCRIPT)).toBe("ws://127.0.0.1:8740/scope/ws");
    expect(socketAddress(" ", PAGE, SCRIPT)).toBe("ws://127.0.0.1:8740/scope/ws");
  });

  it("refuses what no server can be at", () => {
    expect(() => socketAddress("data:text/plain,a", PAGE, SCRIPT)).toThrow("not the address of a Neuroscope server");
    expect(() => socketAddress("http://", PAGE, SCRIPT)).toThrow(TypeError);
  });
});
