// The page's codec for test_frames.py: a line of JSON for each line on standard input.
//
//   {"open": hex}                       → {headers, payload, parts, error}
//   {"encode": [[name, type, value]], "payload": hex}  → hex
//   {"split": [hex, ...]}               → {frames, buffered, error}

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { encode, FrameError, open, Splitter } = await import(pathToFileURL(process.argv[2]));
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const bytes = (text) => new Uint8Array(Buffer.from(text, "hex"));
const said = (error) => (error === null ? null : [error.kind, error.offset]);
const plain = (value) => (value instanceof Uint8Array ? hex(value) : typeof value === "bigint" ? String(value) : value);

const DO = {
  open({ open: frame }) {
    const { headers, payload, parts, error } = open(bytes(frame));
    return {
      headers: headers.map(({ name, type, value }) => [name, type, plain(value)]),
      payload: hex(payload),
      parts: parts.map(({ kind, start, end }) => [kind, start, end]),
      error: said(error),
    };
  },
  encode({ encode: headers, payload }) {
    const values = headers.map(([name, type, value]) => [name, type, type === "bytes" ? bytes(value) : value]);
    return hex(encode(values, bytes(payload)));
  },
  split({ split: pieces }) {
    const splitter = new Splitter();
    const frames = [];
    try {
      for (const piece of pieces) for (const frame of splitter.feed(bytes(piece))) frames.push(hex(frame));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return { frames, buffered: splitter.buffered, error: said(error) };
    }
    return { frames, buffered: splitter.buffered, error: null };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const [name] = Object.keys(asked);
  console.log(JSON.stringify(DO[name](asked)));
}
