// Frames of application/vnd.amazon.eventstream: a message and its wire form, and where each part of it is.
//
//   0  total length     u32, big-endian like all that follows
//   4  headers length   u32
//   8  prelude CRC-32   of bytes 0 to 7
//  12  headers          each: u8 length and name, u8 type, value
//      payload
//  -4  message CRC-32   of all before it

export const PRELUDE = 12;
export const MAX_HEADERS = 131_072;
export const MAX_PAYLOAD = 25_165_824;

export const TYPES = [
  "true", "false", "byte", "short", "integer", "long", "bytes", "string", "timestamp", "uuid",
];
const SIZES = [0, 0, 1, 2, 4, 8, null, null, 8, 16]; // null: a u16 length comes before the value

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

// What is wrong with a frame: the name of the fault as in the Python package, a sentence, and the byte.
export class FrameError extends Error {
  constructor(kind, message, offset) {
    super(message);
    this.name = "FrameError";
    this.kind = kind;
    this.offset = offset;
  }
}

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const hexadecimal = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// A message's wire form. Headers are [name, type, value]; types are the names in TYPES.
export function encode(headers, payload = new Uint8Array()) {
  const block = [];
  for (const [name, type, value] of headers) {
    const text = new TextEncoder().encode(name);
    if (!text.length || text.length > 255) throw new RangeError(`a header's name has 1 to 255 bytes: ${name}`);
    block.push(text.length, ...text, TYPES.indexOf(type), ...encodeValue(type, value));
  }
  const total = PRELUDE + block.length + payload.length + 4;
  const frame = new Uint8Array(total);
  const numbers = view(frame);
  numbers.setUint32(0, total);
  numbers.setUint32(4, block.length);
  numbers.setUint32(8, crc32(frame.subarray(0, 8)));
  frame.set(block, PRELUDE);
  frame.set(payload, PRELUDE + block.length);
  numbers.setUint32(total - 4, crc32(frame.subarray(0, total - 4)));
  return frame;
}

function encodeValue(type, value) {
  const numbers = new DataView(new ArrayBuffer(8));
  const bytes = (length) => new Uint8Array(numbers.buffer, 0, length);
  switch (type) {
    case "true":
    case "false":
      return [];
    case "byte":
      numbers.setInt8(0, value);
      return bytes(1);
    case "short":
      numbers.setInt16(0, value);
      return bytes(2);
    case "integer":
      numbers.setInt32(0, value);
      return bytes(4);
    case "long":
    case "timestamp":
      numbers.setBigInt64(0, BigInt(value));
      return bytes(8);
    case "uuid":
      return value.replaceAll("-", "").match(/../g).map((pair) => parseInt(pair, 16));
    case "bytes":
    case "string": {
      const data = type === "string" ? new TextEncoder().encode(value) : value;
      if (data.length > 32_767) throw new RangeError("a header's value has at most 32767 bytes");
      numbers.setUint16(0, data.length);
      return [...bytes(2), ...data];
    }
    default:
      throw new RangeError(`there is no header type ${type}`);
  }
}

// Open a frame into its parts. Damaged frames are opened as far as they can be read, and `error` says what is wrong.
//
// Each part is {kind, label, start, end, text}; `kind` is prelude, name, type, value, payload or checksum, and parts of a
// header tell its number. All bytes up to the fault are in exactly one part.
export function open(frame) {
  const opened = { frame, headers: [], fields: new Map(), payload: new Uint8Array(), parts: [], error: null };
  try {
    readPrelude(opened);
    readHeaders(opened);
    readPayload(opened);
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    opened.error = error;
    const end = opened.parts.at(-1)?.end ?? 0;
    if (end < frame.length) opened.parts.push(part("unread", "Not read", end, frame.length, ""));
  }
  return opened;
}

const part = (kind, label, start, end, text, header = null) => ({ kind, label, start, end, text, header });
const hex32 = (value) => `0x${value.toString(16).padStart(8, "0")}`;
const count = (value, unit) => `${value.toLocaleString("en")} ${unit}${value === 1 ? "" : "s"}`;

// What the prelude says, or the error: bytes before the twelfth are not looked at.
function checkPrelude(frame) {
  if (frame.length < PRELUDE) {
    throw new FrameError("TruncatedMessage", `the frame ends after ${count(frame.length, "byte")} of its prelude`, 0);
  }
  const numbers = view(frame);
  const [total, headers, expected] = [0, 4, 8].map((at) => numbers.getUint32(at));
  const computed = crc32(frame.subarray(0, 8));
  return { total, headers, expected, computed };
}

function readPrelude(opened) {
  const { frame, parts } = opened;
  const { total, headers, expected, computed } = checkPrelude(frame);
  Object.assign(opened, { total, headersLength: headers });
  parts.push(part("prelude", "Total length", 0, 4, count(total, "byte")));
  parts.push(part("prelude", "Headers length", 4, 8, count(headers, "byte")));
  parts.push(checksum("Prelude checksum", 8, expected, computed));
  checkLengths(total, headers, expected, computed);
  if (frame.length < total) {
    throw new FrameError("TruncatedMessage", `the frame has ${count(frame.length, "byte")} of ${total}`, 0);
  }
  const stated = view(frame).getUint32(total - 4);
  const actual = crc32(frame.subarray(0, total - 4));
  if (stated !== actual) {
    throw new FrameError("MessageChecksumMismatch", `the frame's checksum is ${hex32(stated)}, its bytes give ${hex32(actual)}`, 0);
  }
  if (frame.length > total) throw new FrameError("TrailingData", `${count(frame.length - total, "byte")} too many`, total);
}

function checkLengths(total, headers, expected, computed) {
  if (expected !== computed) {
    throw new FrameError("PreludeChecksumMismatch", `the prelude's checksum is ${hex32(expected)}, its bytes give ${hex32(computed)}`, 0);
  }
  if (total < PRELUDE + 4 || headers > total - PRELUDE - 4) {
    throw new FrameError("InvalidLength", `a frame of ${count(total, "byte")} cannot hold ${count(headers, "byte")} of headers`, 0);
  }
  if (headers > MAX_HEADERS || total - headers - PRELUDE - 4 > MAX_PAYLOAD) {
    throw new FrameError("DecodeLimitExceeded", `a frame of ${count(total, "byte")} is longer than this page reads`, 0);
  }
}

const checksum = (label, start, expected, computed) =>
  part("checksum", label, start, start + 4, `${hex32(expected)} ${expected === computed ? "✓" : `✗ (the bytes give ${hex32(computed)})`}`);

function readHeaders(opened) {
  const { frame, parts, headers, fields, headersLength } = opened;
  const end = PRELUDE + headersLength;
  let at = PRELUDE;
  const begin = (length, what, from) => {
    if (length > end - at) throw new FrameError("TruncatedHeader", `the headers end inside ${what}`, from);
  };
  while (at < end) {
    const start = at;
    const number = headers.length;
    const length = frame[at];
    at += 1;
    if (!length) throw new FrameError("InvalidHeader", "a header has no name", start);
    begin(length, "a header's name", start);
    const name = text(frame.subarray(at, at + length), "a header's name", start);
    at += length;
    parts.push(part("name", name, start, at, "", number));
    begin(1, "a header's type", start);
    const type = frame[at];
    if (type >= TYPES.length) throw new FrameError("UnknownHeaderType", `there is no header type ${type}`, start);
    at += 1;
    parts.push(part("type", name, at - 1, at, `${type}: ${TYPES[type]}`, number));
    if (fields.has(name)) throw new FrameError("DuplicateHeader", `there is a second header ${name}`, start);
    const valueStart = at;
    let size = SIZES[type];
    if (size === null) {
      begin(2, "a header's value", start);
      size = view(frame).getUint16(at);
      at += 2;
    }
    begin(size, "a header's value", start);
    const value = readValue(type, frame.subarray(at, at + size), start);
    at += size;
    if (at > valueStart) parts.push(part("value", name, valueStart, at, "", number));
    headers.push({ name, type: TYPES[type], value });
    fields.set(name, value);
  }
}

function text(bytes, what, offset) {
  try {
    return strict.decode(bytes);
  } catch {
    throw new FrameError("InvalidHeaderText", `${what} is not UTF-8`, offset);
  }
}

// Integers of 64 bits are BigInts, since a Number holds 53 of them; bytes are Uint8Arrays.
function readValue(type, bytes, offset) {
  const numbers = view(bytes);
  switch (TYPES[type]) {
    case "true":
      return true;
    case "false":
      return false;
    case "byte":
      return numbers.getInt8(0);
    case "short":
      return numbers.getInt16(0);
    case "integer":
      return numbers.getInt32(0);
    case "long":
    case "timestamp":
      return numbers.getBigInt64(0);
    case "bytes":
      return bytes;
    case "string":
      return text(bytes, "a header's value", offset);
    default:
      return hexadecimal(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }
}

function readPayload(opened) {
  const { frame, parts, total, headersLength } = opened;
  const start = PRELUDE + headersLength;
  const end = total - 4;
  opened.payload = frame.subarray(start, end);
  if (end > start) parts.push(part("payload", "Payload", start, end, count(end - start, "byte")));
  parts.push(checksum("Message checksum", end, view(frame).getUint32(end), crc32(frame.subarray(0, end))));
}

// Cuts what a socket delivers, which may be frames, several in one, or pieces of them, into whole frames.
export class Splitter {
  #rest = new Uint8Array();

  // The frames that are whole now. Throws a FrameError where the next one cannot be told.
  *feed(bytes) {
    let data = bytes;
    if (this.#rest.length) {
      data = new Uint8Array(this.#rest.length + bytes.length);
      data.set(this.#rest);
      data.set(bytes, this.#rest.length);
    }
    this.#rest = new Uint8Array();
    let at = 0;
    while (data.length - at >= PRELUDE) {
      const { total, headers, expected, computed } = checkPrelude(data.subarray(at));
      checkLengths(total, headers, expected, computed);
      if (data.length - at < total) break;
      yield data.slice(at, at + total);
      at += total;
    }
    this.#rest = data.slice(at);
  }

  // Bytes of a frame that is not whole yet.
  get buffered() {
    return this.#rest.length;
  }
}
