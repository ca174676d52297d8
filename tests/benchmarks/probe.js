// Measures a page from outside: window.probe. To be run before the page's own scripts.
//
// Times are the page's, in ms (performance.now). "Painted" is when the browser says that the frame was presented (Element
// Timing): in the frame in question a dot appears, whose time is told. Nothing of the page is called but its public view.
(() => {
  const methodOf = (data) => /"method": ?"([^"]+)"/.exec(data)?.[1] ?? "";
  const sent = [];
  const received = [];
  window.WebSocket = class extends WebSocket {
    constructor(...parameters) {
      super(...parameters);
      this.addEventListener("message", ({ data }) => received.push({ time: performance.now(), method: methodOf(data) }));
    }
    send(data) {
      sent.push({ time: performance.now(), method: methodOf(data) });
      super.send(data);
    }
  };

  let pressed = null; // when the last key went down
  addEventListener("keydown", ({ timeStamp }) => { pressed = timeStamp; }, { capture: true, passive: true });

  const waiting = new Map(); // by name of the dot
  new PerformanceObserver((list) => {
    for (const { identifier, renderTime } of list.getEntries()) waiting.get(identifier)?.(renderTime);
  }).observe({ type: "element" });
  let dots = 0;

  /** Called before a frame is painted: when it is presented. */
  const presentation = () => new Promise((resolve) => {
    const dot = document.createElement("span");
    const name = `dot ${dots++}`;
    dot.setAttribute("elementtiming", name);
    dot.textContent = ".";
    Object.assign(dot.style, { position: "fixed", right: "1px", bottom: "1px", font: "6px sans-serif", zIndex: "1000" });
    waiting.set(name, (time) => {
      waiting.delete(name);
      dot.remove();
      resolve(time);
    });
    document.documentElement.append(dot);
  });

  /** Frames pass until the condition holds in one. The page draws in that frame what it heard before it. */
  const frameWhen = async (condition, what) => {
    const end = performance.now() + 30000;
    for (;;) {
      await new Promise(requestAnimationFrame);
      if (condition()) return;
      if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
    }
  };

  const complete = () => {
    const { focus } = window.neuroscope;
    return focus !== null && !window.neuroscope.values(focus).includes(null);
  };

  /** What every token in the editor wears. */
  const worn = () => {
    const roots = [document];
    for (const root of roots) for (const { shadowRoot } of root.querySelectorAll("*")) if (shadowRoot !== null) roots.push(shadowRoot);
    return roots.flatMap((root) => [...root.querySelectorAll(".cm-content .neuro-token")].map(({ className }) => className)).join();
  };

  /** Called in a frame: after all of its callbacks. */
  const drawn = () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage(null);
  });

  // What a key can do: when it has done its work here, and when the colours of it have come.
  const kinds = {
    edit: { begun: (before) => neuroscope.version > before.version, ended: () => neuroscope.settled },
    step: { begun: (before) => neuroscope.focus !== before.focus, ended: complete },
  };

  /** What becomes of the next key. */
  const measure = async (kind) => {
    const { begun, ended } = kinds[kind];
    const before = {
      version: neuroscope.version, focus: neuroscope.focus, worn: kind === "step" ? worn() : "", sent: sent.length, received: received.length,
    };
    const answer = () => received.slice(before.received).some(({ method }) => method === "activations/update");
    pressed = null;
    await frameWhen(() => pressed !== null && begun(before), "a key did something");
    const own = presentation();
    if (ended()) {
      // What was here before needs no answer: the very frame should have the colours.
      await drawn();
      if (worn() !== before.worn) {
        const time = await own;
        return { pressed, sent: null, own: time, first: time, answered: null, colours: time };
      }
    }
    if (!answer()) await frameWhen(() => answer() || ended(), "first colours came");
    const first = presentation();
    if (!ended()) await frameWhen(ended, "all colours came");
    const answered = received.at(-1).time;
    const colours = presentation();
    return { pressed, sent: sent[before.sent]?.time ?? null, own: await own, first: await first, answered, colours: await colours };
  };

  /** How long it takes to put HTML into an element and to paint it. */
  const show = async (html) => {
    await new Promise(requestAnimationFrame);
    const begun = performance.now();
    document.querySelector("#picture").innerHTML = html;
    return await presentation() - begun;
  };

  /** How long it takes from an action in the page to the frame that shows what it did. */
  const after = async (action) => {
    await new Promise(requestAnimationFrame);
    await new Promise((resolve) => setTimeout(resolve, 5)); // between two frames, as people act
    const begun = performance.now();
    action();
    await new Promise(requestAnimationFrame);
    return await presentation() - begun;
  };

  const send = (element, event) => after(() => element.dispatchEvent(event));
  const wheel = (element, turn) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    const place = { clientX: left + width / 2, clientY: top + height / 2 };
    return send(element, new WheelEvent("wheel", { ...place, ...turn, bubbles: true, cancelable: true }));
  };
  const point = (element, across, down) => {
    const { left, top } = element.getBoundingClientRect();
    return send(element, new PointerEvent("pointermove", { clientX: left + across, clientY: top + down, bubbles: true }));
  };

  window.probe = { measure, point, show, wheel };
})();
