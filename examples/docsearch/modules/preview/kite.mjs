// What a module of Kite says and hears, for Node, with no library.
//
//   import { serve } from "./kite.mjs";
//   await serve({ "docs.preview": async (data) => ({ … }) });
import { createInterface } from "node:readline";
import { open } from "./websocket.mjs";

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 3000;
const MAX_REPLY_BYTES = 1_000_000;

/** An error whose code travels in the reply. */
export class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Be a module that answers requests, until Kite ends it.
 * @param {Record<string, (data: any) => any>} handlers - from subject to what answers it
 */
export async function serve(handlers) {
  const name = process.env.KITE_MODULE;
  if (!name) throw new Error("KITE_MODULE is not set: start this with `kite up`");
  const leave = (status) => process.exit(status);
  process.on("SIGTERM", () => leave(0));
  const boot = await bootLine(() => leave(0));

  let pause = FIRST_PAUSE;
  for (;;) {
    try {
      const session = new Session(name, boot, handlers, leave);
      await session.begin();
      pause = FIRST_PAUSE;
      const { code, reason } = await session.lost;
      console.error(`hub.lost code=${code} reason=${JSON.stringify(reason)}`);
      if (code === 4401) leave(1); // the token is dead, and with it this life
    } catch (error) {
      if (error.status === 401) {
        console.error("hub.refused reason=unauthorized");
        leave(1);
      }
      if (error.status !== 503) console.error(`hub.unreachable reason=${JSON.stringify(error.message)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

/** The first line of standard input; the pipe's end means that the module is to go. */
function bootLine(onEnd) {
  return new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin });
    lines.once("line", (line) => resolve(JSON.parse(line)));
    lines.on("close", onEnd);
  });
}

async function hubEndpoint(token) {
  const url = `http://127.0.0.1:${process.env.KITE_REGISTRY_PORT}/get/event_hub.metadata.ws_endpoint`;
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw Object.assign(new Error(`HTTP ${response.status}`), { status: response.status });
  return response.json();
}

/** One connection to the Event Hub. */
class Session {
  #name;
  #boot;
  #handlers;
  #leave;
  #connection;
  #lose;
  #acknowledge;
  #refuse;

  constructor(name, boot, handlers, leave) {
    this.#name = name;
    this.#boot = boot;
    this.#handlers = handlers;
    this.#leave = leave;
    /** Fulfilled with `{code, reason}` when the connection is gone. */
    this.lost = new Promise((resolve) => (this.#lose = resolve));
  }

  /** Connect, subscribe, say ready. */
  async begin() {
    const acknowledged = new Promise((resolve, reject) => {
      this.#acknowledge = resolve;
      this.#refuse = reject;
    });
    acknowledged.catch(() => {}); // whoever waits below hears of it
    this.#connection = await open(await hubEndpoint(this.#boot.token), {
      headers: { authorization: `Bearer ${this.#boot.token}` },
      onMessage: (text) => this.#hear(JSON.parse(text)),
      onClose: (code, reason) => {
        this.#refuse(new Error(`connection closed: ${code} ${reason}`));
        this.#lose({ code, reason });
      },
    });
    const events = ["module.shutdown", ...Object.keys(this.#handlers)];
    this.#send({ type: "subscribe", events, id: "subscription" });
    await acknowledged;
    this.#publish("module.ready", { module_id: this.#name, life: this.#boot.life });
  }

  #send(message) {
    this.#connection.send(JSON.stringify(message));
  }

  #publish(event, data, headers) {
    this.#send({ type: "event", event, data, headers });
  }

  #hear(message) {
    if (message.type === "event") {
      if (message.event === "module.shutdown") this.#shutDown(message.data);
      else this.#answer(message);
    } else if (message.type === "ack") {
      if (message.id === "subscription") this.#acknowledge();
    } else if (message.type === "error") {
      console.error(`hub.error code=${message.code} message=${JSON.stringify(message.message)}`);
      if (message.id === "subscription") this.#refuse(new Error(message.message));
    }
  }

  #shutDown(data) {
    const { module_id: name, life = this.#boot.life } = data ?? {};
    if (name !== this.#name || life !== this.#boot.life) return;
    const about = { module_id: name, life };
    this.#publish("module.shutdown.ack", { ...about, estimated_cleanup: 0 });
    this.#publish("module.shutdown.ready", about);
    this.#connection.close();
    this.lost.then(() => this.#leave(0));
  }

  async #answer({ event, data, reply_to: replyTo }) {
    if (!replyTo) return;
    try {
      const answer = await this.#handlers[event](data);
      if (Buffer.byteLength(JSON.stringify(answer)) > MAX_REPLY_BYTES) {
        throw new Refusal("too_large", "the answer does not fit into one frame");
      }
      this.#publish(replyTo, answer);
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error.stack);
      const code = error instanceof Refusal ? error.code : "handler_failed";
      this.#publish(replyTo, { code, message: error.message }, { "kite-error": code });
    }
  }
}
