// Questions and answers: waiting for a reply, and giving one.
import { Pending } from "./core/pending.mjs";
import { said } from "./core/settlement.mjs";
import { KiteError, RequestError } from "./errors.mjs";
import { Request } from "./event.mjs";
import { asError, isPromise } from "./handlers.mjs";
import { milliseconds } from "./limit.mjs";
import { Refusal } from "./refusal.mjs";
import { carried } from "./trace.mjs";

/** @import { Envelopes, Headers } from "./core/envelopes.mjs" */
/** @import { Log } from "./log.mjs" */
/** @import { Publisher } from "./publisher.mjs" */
/** @import { ErrorFrame, EventFrame } from "./wire/frame.mjs" */

const ERROR_HEADER = "kite-error";
/** Answers whose refusal by the Hub can still be told to whoever asked. */
const REMEMBERED = 1024;
const MOST_WORDS = 1000;

/** Requests of this module that wait for their answers. */
export class Questions {
  #envelopes;
  #publisher;
  /** @type {Pending<{ resolve: (event: EventFrame) => void, reject: (error: Error) => void }>} */
  pending = new Pending();

  /** @param {Envelopes} envelopes @param {Publisher} publisher */
  constructor(envelopes, publisher) {
    this.#envelopes = envelopes;
    this.#publisher = publisher;
  }

  /**
   * Publish a request and return the data of its answer; see `Module.request`.
   * @param {string} subject
   * @param {unknown} data
   * @param {{ timeout: number, headers: Headers | undefined }} options
   * @returns {Promise<any>}
   */
  async ask(subject, data, { timeout, headers }) {
    if (!(timeout >= 0 && Number.isFinite(timeout))) throw new TypeError(`a timeout is seconds, not ${timeout}`);
    const { id, frame } = this.#envelopes.writeRequest(subject, data, Date.now(), { timeout, headers: carried(headers) });
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    try {
      const reply = await /** @type {Promise<EventFrame>} */ (
        new Promise((resolve, reject) => {
          this.pending.add(id, { resolve, reject });
          this.#publisher.send(frame);
          timer = setTimeout(() => reject(new RequestError("request_timeout", { subject, timeout })), milliseconds(timeout));
        })
      );
      const code = reply.headers?.[ERROR_HEADER];
      if (code !== undefined) throw errorOf(reply, String(code));
      return reply.data ?? null;
    } finally {
      this.pending.giveUp(id);
      clearTimeout(timer);
    }
  }

  /** An answer has come. @param {EventFrame} event @param {string} request */
  answered(event, request) {
    this.pending.answered(request)?.resolve(event);
  }

  /** The Hub has refused an event; false when it was no request of ours. @param {ErrorFrame} error */
  refused(error) {
    const waiter = error.event_id === undefined ? undefined : this.pending.refused(error.event_id);
    waiter?.reject(new Refusal(error.code, error.message, error.params));
    return waiter !== undefined;
  }
}

/** Runs the handler of one kind of request and publishes what it returns. */
export class Answers {
  #function;
  #envelopes;
  #publisher;
  #log;
  /** @type {Set<Request>} */
  #open = new Set();
  /** @type {Map<string, Request>} */
  #given = new Map();

  /**
   * @param {(request: Request) => unknown} handle - what it returns is the answer's data
   * @param {Envelopes} envelopes
   * @param {Publisher} publisher
   * @param {Log} log
   */
  constructor(handle, envelopes, publisher, log) {
    this.#function = handle;
    this.#envelopes = envelopes;
    this.#publisher = publisher;
    this.#log = log;
  }

  /**
   * Answer a request, at once where the function just returns; else what is to be waited for.
   * @param {EventFrame} event
   * @returns {Promise<void> | undefined}
   */
  receive(event) {
    const request = new Request(event);
    const { deadline } = request;
    if (deadline !== null && deadline.getTime() <= Date.now()) {
      this.#log.debug("request.expired %s", request);
      return undefined;
    }
    try {
      const result = this.#function(request);
      if (isPromise(result)) return this.#await(request, result);
      this.#answer(request, result);
    } catch (failure) {
      this.#failed(request, failure);
    }
    return undefined;
  }

  /**
   * The Hub has refused an event; false when it was no answer that was given here lately. Whoever asked
   * is told why, in place of the answer.
   * @param {ErrorFrame} error
   */
  refused(error) {
    const asked = this.#given.get(error.event_id ?? "");
    if (asked === undefined) return false;
    this.#given.delete(error.event_id ?? "");
    this.#refuse(asked, new Refusal(error.code, error.message, error.params));
    return true;
  }

  /** Say that the module is stopping and will not answer. @param {EventFrame} event */
  decline(event) {
    this.#decline(new Request(event));
  }

  /** Say so to whoever waits for what still runs. */
  declineOpen() {
    for (const request of this.#open) this.#decline(request);
    this.#open.clear();
  }

  /** Say that too many requests wait already for one more to be kept. @param {EventFrame} event */
  drop(event) {
    const request = new Request(event);
    const busy = new RequestError("busy", { module: this.#envelopes.source, subject: request.subject });
    try {
      this.#sendRefusal(request, busy);
    } catch (failure) {
      // In a flood that fills the outbox too, whoever asked has their time-out.
      if (!(failure instanceof KiteError)) throw failure;
    }
  }

  /** @param {Request} request @param {PromiseLike<unknown>} result */
  async #await(request, result) {
    this.#open.add(request);
    try {
      const data = await result;
      if (this.#open.delete(request)) this.#answer(request, data);
    } catch (failure) {
      this.#open.delete(request);
      this.#failed(request, failure);
    }
  }

  /** @param {Request} request @param {unknown} failure */
  #failed(request, failure) {
    if (failure instanceof KiteError) {
      this.#log.debug("request.refused %s code=%s", request, failure.code);
      this.#refuse(request, failure);
      return;
    }
    this.#log.error("handler.failed %s", request, asError(failure));
    this.#refuse(request, this.#handlerFailed(request, said(failure).slice(0, MOST_WORDS)));
  }

  /** @param {Request} request */
  #decline(request) {
    this.#refuse(request, new RequestError("module_stopping", { module: this.#envelopes.source }));
  }

  /** @param {Request} request @param {unknown} data */
  #answer(request, data) {
    const id = this.#reply(request, data === undefined ? null : data);
    if (id === null) return;
    this.#given.set(id, request);
    if (this.#given.size > REMEMBERED) this.#given.delete(/** @type {string} */ (this.#given.keys().next().value));
  }

  /**
   * Publish an answer; its id, or null where nobody wants one.
   * @param {Request} request
   * @param {unknown} data
   * @param {Headers} [headers]
   */
  #reply(request, data, headers) {
    if (request.replyTo === null) return null;
    const { id, frame } = this.#envelopes.write(request.replyTo, data, Date.now(), { headers: carried(headers) });
    this.#publisher.send(frame);
    return id;
  }

  /** @param {Request} request @param {KiteError} failure */
  #refuse(request, failure) {
    try {
      this.#sendRefusal(request, failure);
    } catch (wrong) {
      // Whoever asked waits for some answer.
      this.#log.error("refusal.unspeakable %s: %s", request, said(wrong));
      try {
        this.#sendRefusal(request, this.#handlerFailed(request, "its refusal cannot be told"));
      } catch (lost) {
        this.#log.error("reply.lost %s: %s", request, said(lost));
      }
    }
  }

  /** @param {Request} request @param {KiteError} failure */
  #sendRefusal(request, failure) {
    const params = Object.fromEntries(Object.entries(failure.params).map(([name, value]) => [name, isPlain(value) ? value : String(value)]));
    this.#reply(request, { code: failure.code, message: failure.message, params }, { [ERROR_HEADER]: failure.code });
  }

  /** @param {Request} request @param {string} detail */
  #handlerFailed(request, detail) {
    return new RequestError("handler_failed", { subject: request.subject, module: this.#envelopes.source, detail });
  }
}

/** @param {unknown} value */
const isPlain = (value) => value === null || ["string", "number", "boolean"].includes(typeof value);

/** @param {EventFrame} reply @param {string} code */
function errorOf(reply, code) {
  const document = /** @type {{ message?: unknown, params?: unknown } | null | undefined} */ (reply.data);
  return new Refusal(code, document?.message, document?.params);
}
