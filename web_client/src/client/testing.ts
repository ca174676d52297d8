/**
 * For tests of frontends: a transport without a network, and a clock that stands still.
 *
 *     const network = new FakeNetwork();
 *     const client = new NeuroscopeClient({ connect: network.connector, clock: new ManualClock() });
 *     client.start();
 *     await new Promise((resume) => setTimeout(resume));
 *     network.peer.answer(network.peer.take("initialize"), { protocolVersion: 1, ... });
 */
export { ManualClock } from "./clock";
export { FakeNetwork, FakePeer, type Message } from "./fake";
