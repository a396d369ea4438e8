// @smithy/core's event-streams, the codec of AWS's JavaScript SDK: see processes.py for what it reads and prints.
//
// Node looks for modules near the script; these are in the directory that it is run in.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.cwd()}/`);
const { EventStreamCodec, Int64, MessageDecoderStream, getChunkedStream } = require("@smithy/core/event-streams");
const { fromUtf8, toUtf8 } = require("@smithy/core/serde");

const codec = new EventStreamCodec(toUtf8, fromUtf8);
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const bytes = (digits) => new Uint8Array(Buffer.from(digits, "hex"));
const kinds = { boolean: "bool", binary: "bytes" };
const types = { bool: "boolean", bytes: "binary" };

// The codec throws errors of the class Error alone; of others, such as RangeError, it does not know.
function failure(error) {
  const own = error.constructor === Error;
  return { end: own ? error.message.replace(/^@smithy.core.event-streams - |\.$/g, "") : error.name, own };
}

function told({ type, value }) {
  if (type === "long") return String(Buffer.from(value.bytes).readBigInt64BE());
  if (type === "binary") return hex(value);
  if (type === "timestamp") return Number.isNaN(value.valueOf()) ? null : String(value.valueOf());
  if (type === "uuid") return value.replaceAll("-", "");
  return typeof value === "number" ? String(value) : value;
}

function meant(kind, value) {
  if (kind === "long") {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64BE(BigInt(value));
    return new Int64(new Uint8Array(buffer));
  }
  if (kind === "bytes") return bytes(value);
  if (kind === "timestamp") return new Date(Number(value));
  if (kind === "uuid") return value.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  return ["byte", "short", "integer"].includes(kind) ? Number(value) : value;
}

// Bytes of the largest array that was made for a message to come.
let allocated = 0;
globalThis.Uint8Array = new Proxy(Uint8Array, {
  construct(target, given, made) {
    if (typeof given[0] === "number") allocated = Math.max(allocated, given[0]);
    return Reflect.construct(target, given, made);
  },
});

async function decode({ stream, again }) {
  const data = bytes(stream);
  allocated = 0;
  let taken = 0;
  let messages = [];
  async function* chunks() {
    if (data.length) yield data;
  }
  // Each message is decoded as it comes, so that reading on after an error is another turn of the loop.
  const source = getChunkedStream(chunks())[Symbol.asyncIterator]();
  async function* next() {
    const { value, done } = await source.next();
    taken += value?.length ?? 0;
    if (!done) yield value;
  }
  for (;;) {
    let came = false;
    try {
      for await (const { headers, body } of new MessageDecoderStream({ inputStream: next(), decoder: codec })) {
        came = true;
        messages.push([
          Object.entries(headers).map(([name, header]) => [name, kinds[header.type] ?? header.type, told(header)]),
          hex(body),
        ]);
      }
      if (!came) return { messages, end: taken < data.length ? "silent" : "" };
    } catch (error) {
      if (!again) {
        return { messages, ...failure(error), allocated };
      }
      again = false;
      messages = [];
    }
  }
}

function encode({ headers, payload }) {
  const given = {};
  for (const [name, kind, value] of headers) {
    given[name] = { type: types[kind] ?? kind, value: meant(kind, value) };
  }
  try {
    return { wire: hex(codec.encode({ headers: given, body: bytes(payload) })) };
  } catch (error) {
    return failure(error);
  }
}

console.log(JSON.stringify({ ready: true }));
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  console.log(JSON.stringify("stream" in task ? await decode(task) : encode(task)));
}
