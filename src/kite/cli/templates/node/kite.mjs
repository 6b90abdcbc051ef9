// A Kite module in Node 18 or newer without packages: one WebSocket to the Event Hub.
// run({ on, handle, onStart, onStop }): handlers by pattern, request handlers by subject.
import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import { createInterface } from "node:readline";

const name = process.env.KITE_MODULE;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function run({ on = {}, handle = {}, onStart, onStop } = {}) {
  const boot = await bootLine();
  const kite = { name, dataDir: process.env.KITE_MODULE_DATA, publish, request };
  const waiting = new Map(); // reply subject → [resolve, reject]
  const inbox = `_reply.${name}.${randomBytes(8).toString("hex")}`;
  let socket = null;
  let started = false;

  function send(frame) {
    if (!socket) throw new Error("not connected to the Event Hub");
    socket.send(JSON.stringify(frame));
  }
  function publish(event, data = null, more = {}) {
    send({ type: "event", event, data, ...more });
  }
  function request(event, data = null, timeout = 5000) {
    const reply_to = `${inbox}.${randomBytes(8).toString("hex")}`;
    const event_id = randomBytes(12).toString("hex");
    return new Promise((resolve, reject) => {
      const end = (settle) => (value) => {
        clearTimeout(timer);
        waiting.delete(reply_to);
        waiting.delete(event_id);
        settle(value);
      };
      const timer = setTimeout(() => end(reject)(new Error(`no answer to ${event}`)), timeout);
      waiting.set(reply_to, [end(resolve), end(reject)]);
      waiting.set(event_id, [() => {}, end(reject)]);
      publish(event, data, { reply_to, event_id, ack: true });
    });
  }

  async function received(frame) {
    if (frame.type === "error") {
      const asker = waiting.get(frame.event_id);
      if (asker) asker[1](new Error(frame.code));
      else console.error(`hub.refused code=${frame.code} ${frame.message}`);
      return;
    }
    if (frame.type !== "event") return;
    const { event, data } = frame;
    if (waiting.has(event)) {
      const failed = frame.headers?.["kite-error"];
      const [resolve, reject] = waiting.get(event);
      return failed ? reject(new Error(data?.message ?? failed)) : resolve(data);
    }
    if (event === "module.shutdown") return shutdown(data);
    for (const [pattern, handler] of Object.entries(on)) {
      if (matches(pattern, event)) await handler(frame, kite);
    }
    if (frame.reply_to && handle[event]) await answer(frame);
  }

  async function answer({ event, data, reply_to }) {
    try {
      publish(reply_to, (await handle[event](data, kite)) ?? null);
    } catch (error) {
      console.error(error);
      const headers = { "kite-error": "handler_failed" };
      publish(reply_to, { code: "handler_failed", message: String(error.message) }, { headers });
    }
  }

  async function shutdown(data) {
    if (data?.module_id !== name || (data.life ?? boot.life) !== boot.life) return;
    const me = { module_id: name, life: boot.life };
    publish("module.shutdown.ack", { ...me, estimated_cleanup: 1 });
    await onStop?.(kite);
    publish("module.shutdown.ready", me); // now the Launcher closes standard input
  }

  for (;;) {
    const lost = Promise.withResolvers?.() ?? deferred();
    socket = await openSocket(boot.token, (text) => {
      received(JSON.parse(text)).catch((error) => {
        console.error(error);
        process.exit(1); // Kite starts it again
      });
    }, lost.resolve);
    const events = ["module.shutdown", `${inbox}.*`, ...Object.keys(on), ...Object.keys(handle)];
    send({ type: "subscribe", events: [...new Set(events)], id: 1 });
    if (!started) await onStart?.(kite);
    started = true;
    publish("module.ready", { module_id: name, life: boot.life });
    await lost.promise; // the Hub was restarted: the same again, with the same token
    socket = null;
  }
}

function bootLine() {
  return new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin });
    lines.once("line", (line) => resolve(JSON.parse(line)));
    lines.once("close", () => process.exit(0)); // the lifeline has ended
  });
}

async function openSocket(token, onText, onLost) {
  for (;;) {
    try {
      const url = new URL(await endpoint(token));
      return await connect(url, token, onText, onLost);
    } catch (error) {
      if (error.isFinal) throw error;
      await pause(250); // 503, or nobody there: Kite is mending it
    }
  }
}

async function endpoint(token) {
  const path = "/get/event_hub.metadata.ws_endpoint";
  const url = `http://127.0.0.1:${process.env.KITE_REGISTRY_PORT}${path}`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw refusal(answer.status);
  return answer.json();
}

function refusal(status) {
  return Object.assign(new Error(`status ${status}`), { isFinal: status === 401 });
}

function connect(url, token, onText, onLost) {
  const key = randomBytes(16).toString("base64");
  const magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const headers = {
    Authorization: `Bearer ${token}`,
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Key": key,
    "Sec-WebSocket-Version": "13",
  };
  return new Promise((resolve, reject) => {
    const handshake = http.get(url.href.replace(/^ws/, "http"), { headers });
    handshake.on("error", reject);
    handshake.on("response", (answer) => reject(refusal(answer.statusCode)));
    handshake.on("upgrade", (answer, socket, first) => {
      const accept = createHash("sha1").update(key + magic).digest("base64");
      if (answer.headers["sec-websocket-accept"] !== accept) return reject(refusal(0));
      socket.setNoDelay(true);
      const read = reader(onText, (code, payload) => socket.write(frame(code, payload)), () => socket.end());
      socket.on("data", read);
      socket.on("error", () => {});
      socket.on("close", onLost);
      resolve({ send: (text) => socket.write(frame(1, Buffer.from(text))) });
      if (first.length) read(first);
    });
  });
}

// A client's frame: final, masked (RFC 6455, section 5).
function frame(code, payload) {
  const size = payload.length;
  const head = size < 126 ? Buffer.alloc(2) : size < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
  head[0] = 0x80 | code;
  head[1] = 0x80 | (size < 126 ? size : size < 65536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(size, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2);
  const mask = randomBytes(4);
  const masked = Buffer.from(payload);
  for (let at = 0; at < size; at++) masked[at] ^= mask[at & 3];
  return Buffer.concat([head, mask, masked]);
}

function reader(onText, reply, onClose) {
  let buffer = Buffer.alloc(0);
  let parts = [];
  return (data) => {
    buffer = Buffer.concat([buffer, data]);
    for (;;) {
      if (buffer.length < 2) return;
      let size = buffer[1] & 0x7f;
      let start = 2;
      if (size === 126) start = 4;
      if (size === 127) start = 10;
      if (buffer.length < start) return;
      if (start === 4) size = buffer.readUInt16BE(2);
      if (start === 10) size = Number(buffer.readBigUInt64BE(2));
      if (buffer.length < start + size) return;
      const [final, code] = [buffer[0] & 0x80, buffer[0] & 0x0f];
      const payload = buffer.subarray(start, start + size);
      buffer = buffer.subarray(start + size);
      if (code === 8) {
        reply(8, payload);
        return onClose();
      }
      if (code === 9) reply(10, payload);
      if (code > 2) continue;
      parts.push(payload);
      if (final) {
        const text = Buffer.concat(parts).toString("utf8");
        parts = [];
        onText(text);
      }
    }
  };
}

function matches(pattern, subject) {
  const wanted = pattern.split(".");
  const tokens = subject.split(".");
  const open = wanted.at(-1) === ">";
  if (open) wanted.pop();
  if (open ? tokens.length <= wanted.length : tokens.length !== wanted.length) return false;
  return wanted.every((token, at) => token === "*" || token === tokens[at]);
}

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}
