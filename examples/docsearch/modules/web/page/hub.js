// The page's conversation with the Event Hub: one WebSocket, requests and events, a token that is
// renewed before it ends, and a way back after every loss.

const REQUEST_SECONDS = 8;
const FIRST_PAUSE = 0.4;
const LONGEST_PAUSE = 10;
/** A token is renewed when this part of its time is over. */
const RENEW_AT = 0.7;

/** A request that was not answered with a result; `code` says why. */
export class HubError extends Error {
  constructor(code, message = code) {
    super(message);
    this.code = code;
  }
}

const unique = () => crypto.randomUUID().replaceAll("-", "").slice(0, 16);

/**
 * Replies go to every connection of module `web`, of which each tab holds one: so each tab listens
 * on a subject of its own, and each request has its own last word.
 */
export class Hub {
  #options;
  #inbox = `_reply.web.${unique()}`;
  #socket = null;
  #pending = new Map();
  #serial = 0;
  #pause = FIRST_PAUSE;
  #timers = new Set();
  #retryTimer = null;
  #isConnecting = false;

  /**
   * @param {object} options
   * @param {() => Promise<{token: string, seconds: number, ws_endpoint: string}>} options.session
   * @param {string[]} options.subscribe - patterns to listen to
   * @param {(event: object) => void} options.onEvent
   * @param {(state: "connecting"|"connected"|"disconnected", retryAt: number|null) => void} options.onState
   * @param {typeof WebSocket} [options.WebSocket] - for tests
   */
  constructor(options) {
    this.#options = { WebSocket: globalThis.WebSocket, random: Math.random, ...options };
  }

  get isConnected() {
    return this.#socket !== null;
  }

  /** Connect, now; also while waiting to try again. */
  async connect() {
    clearTimeout(this.#retryTimer);
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    if (!this.isConnected) this.#options.onState("connecting", null);
    try {
      const session = await this.#options.session();
      const socket = await this.#open(session);
      const former = this.#socket;
      this.#socket = socket;
      this.#pause = FIRST_PAUSE;
      this.#after(session.seconds * RENEW_AT, () => socket === this.#socket && this.connect());
      // The former connection goes when the new one hears everything: nothing is missed between.
      if (former) former.close(1000);
      else this.#options.onState("connected", null);
    } catch {
      this.#retry();
    } finally {
      this.#isConnecting = false;
    }
  }

  /**
   * Ask and wait for the answer.
   * @throws {HubError} `disconnected`, `no_responders`, `request_timeout`, or the answer's own code
   */
  request(subject, data, { seconds = REQUEST_SECONDS } = {}) {
    const socket = this.#socket;
    if (!socket) return Promise.reject(new HubError("disconnected"));
    this.#serial += 1;
    const replyTo = `${this.#inbox}.${this.#serial}`;
    const eventId = `${replyTo}.${unique()}`;
    return new Promise((resolve, reject) => {
      const settle = (action) => {
        this.#pending.delete(replyTo);
        clearTimeout(timer);
        action();
      };
      const timer = setTimeout(() => settle(() => reject(new HubError("request_timeout"))), seconds * 1000);
      this.#pending.set(replyTo, {
        eventId,
        socket,
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
      });
      socket.send(JSON.stringify({ type: "event", event: subject, data, event_id: eventId, reply_to: replyTo }));
    });
  }

  /** Resolves with a connection that has subscribed. */
  #open({ token, ws_endpoint: endpoint }) {
    const { WebSocket } = this.#options;
    const socket = new WebSocket(endpoint, ["kite.v1", `kite.token.${token}`]);
    return new Promise((resolve, reject) => {
      const timer = this.#after(REQUEST_SECONDS, () => socket.close());
      socket.addEventListener("open", () =>
        socket.send(
          JSON.stringify({ type: "subscribe", id: "page", events: [...this.#options.subscribe, `${this.#inbox}.>`] }),
        ),
      );
      socket.addEventListener("message", ({ data }) => {
        const message = JSON.parse(data);
        if (message.id === "page") {
          clearTimeout(timer);
          if (message.type === "ack") resolve(socket);
          else socket.close();
        } else this.#hear(message, socket);
      });
      socket.addEventListener("close", () => {
        clearTimeout(timer);
        reject(new HubError("disconnected"));
        this.#lose(socket);
      });
    });
  }

  #hear(message, socket) {
    if (message.type === "error") {
      for (const waiting of this.#pending.values()) {
        if (waiting.eventId === message.event_id) waiting.reject(new HubError(message.code, message.message));
      }
    } else if (message.type === "event") {
      if (message.event.startsWith(`${this.#inbox}.`)) this.#settle(message);
      else if (socket === this.#socket || this.#socket === null) this.#options.onEvent(message);
    }
  }

  #settle({ event, data, headers }) {
    const waiting = this.#pending.get(event);
    if (!waiting) return;
    const code = headers?.["kite-error"];
    if (code) waiting.reject(new HubError(code, data?.message));
    else waiting.resolve(data);
  }

  #lose(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    for (const waiting of [...this.#pending.values()]) waiting.reject(new HubError("disconnected"));
    this.#retry();
  }

  #retry() {
    if (this.isConnected) {
      // Only the renewal failed: the connection lives, so ask again soon.
      this.#after(2, () => this.connect());
      return;
    }
    const pause = this.#pause * (0.75 + this.#options.random() / 2);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = this.#after(pause, () => this.connect());
    this.#options.onState("disconnected", Date.now() + pause * 1000);
  }

  #after(seconds, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, seconds * 1000);
    this.#timers.add(timer);
    return timer;
  }

  /** Leave for good. */
  close() {
    for (const timer of this.#timers) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }
}
