// A WebSocket client (RFC 6455) in one file, for a Node without one: text messages over ws://.
import { createHash, randomBytes } from "node:crypto";
import { request } from "node:http";

const MAX_MESSAGE_BYTES = 1 << 20;
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const OP = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };

/**
 * Open a connection.
 * @param {string} url - ws://host:port/path
 * @param {{headers?: object, onMessage: (text: string) => void, onClose: (code: number, reason: string) => void}} options
 * @returns {Promise<{send: (text: string) => void, close: (code?: number) => void}>}
 *   rejects with an Error; its `status` is the HTTP status when the server refused
 */
export function open(url, { headers = {}, onMessage, onClose }) {
  return new Promise((resolve, reject) => {
    const key = randomBytes(16).toString("base64");
    const asked = request(url.replace(/^ws:/, "http:"), {
      agent: false,
      headers: {
        ...headers,
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": key,
      },
    });
    asked.setTimeout(10_000, () => asked.destroy(new Error("no answer within 10 s")));
    asked.on("error", reject);
    asked.on("response", (response) => {
      response.resume();
      reject(Object.assign(new Error(`HTTP ${response.statusCode}`), { status: response.statusCode }));
    });
    asked.on("upgrade", (response, socket, head) => {
      const expected = createHash("sha1").update(key + GUID).digest("base64");
      if (response.headers["sec-websocket-accept"] !== expected) {
        socket.destroy();
        reject(new Error("the answer to the WebSocket handshake is wrong"));
        return;
      }
      socket.setTimeout(0);
      socket.setNoDelay(true);
      resolve(converse(socket, head, onMessage, onClose));
    });
    asked.end();
  });
}

function converse(socket, head, onMessage, onClose) {
  const reader = new FrameReader();
  let parts = [];
  let size = 0;
  let closed = false;
  let told = [1006, "the connection was lost"];

  const send = (opcode, payload) => {
    if (!socket.destroyed && socket.writable) socket.write(frame(opcode, payload));
  };
  const end = (code, reason) => {
    told = [code, reason];
    send(OP.CLOSE, closePayload(code));
    socket.end();
  };
  const take = ({ isFinal, opcode, payload }) => {
    if (opcode === OP.PING) return send(OP.PONG, payload);
    if (opcode === OP.PONG) return undefined;
    if (opcode === OP.CLOSE) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      return end(code, payload.subarray(2).toString("utf8"));
    }
    size += payload.length;
    if (size > MAX_MESSAGE_BYTES) return end(1009, "too large");
    parts.push(payload);
    if (isFinal) {
      const text = Buffer.concat(parts).toString("utf8");
      parts = [];
      size = 0;
      onMessage(text);
    }
    return undefined;
  };
  const feed = (chunk) => {
    try {
      for (const found of reader.feed(chunk)) take(found);
    } catch (error) {
      end(1002, error.message);
    }
  };
  socket.on("data", feed);
  socket.on("error", () => socket.destroy());
  socket.on("end", () => socket.end());
  socket.on("close", () => {
    if (!closed) {
      closed = true;
      onClose(...told);
    }
  });
  if (head.length) setImmediate(feed, head);
  return {
    send: (text) => send(OP.TEXT, Buffer.from(text, "utf8")),
    close: (code = 1000) => end(code, "closed here"),
  };
}

/** Takes bytes as they come, gives whole frames. */
export class FrameReader {
  #bytes = Buffer.alloc(0);

  /** @param {Buffer} chunk @returns {{isFinal: boolean, opcode: number, payload: Buffer}[]} */
  feed(chunk) {
    this.#bytes = this.#bytes.length ? Buffer.concat([this.#bytes, chunk]) : chunk;
    const frames = [];
    for (let found = this.#next(); found; found = this.#next()) frames.push(found);
    return frames;
  }

  #next() {
    const bytes = this.#bytes;
    if (bytes.length < 2) return null;
    if (bytes[0] & 0x70) throw new Error("a reserved bit is set");
    if (bytes[1] & 0x80) throw new Error("a server's frame is masked");
    let length = bytes[1] & 0x7f;
    let at = 2;
    if (length === 126) {
      if (bytes.length < 4) return null;
      length = bytes.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (bytes.length < 10) return null;
      const wide = bytes.readBigUInt64BE(2);
      if (wide > BigInt(MAX_MESSAGE_BYTES)) throw new Error("a frame is too large");
      length = Number(wide);
      at = 10;
    }
    if (bytes.length < at + length) return null;
    this.#bytes = bytes.subarray(at + length);
    return {
      isFinal: (bytes[0] & 0x80) !== 0,
      opcode: bytes[0] & 0x0f,
      payload: bytes.subarray(at, at + length),
    };
  }
}

/** A client's frame: whole and masked. */
export function frame(opcode, payload) {
  const { length } = payload;
  const mask = randomBytes(4);
  const head =
    length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | length])
      : length < 65536
        ? Buffer.from([0x80 | opcode, 0x80 | 126, length >> 8, length & 0xff])
        : Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | 127]), wideLength(length)]);
  const masked = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += 1) masked[at] = payload[at] ^ mask[at & 3];
  return Buffer.concat([head, mask, masked]);
}

function wideLength(length) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(length));
  return bytes;
}

function closePayload(code) {
  if (code < 1000 || code === 1005 || code === 1006) return Buffer.alloc(0);
  return Buffer.from([code >> 8, code & 0xff]);
}
