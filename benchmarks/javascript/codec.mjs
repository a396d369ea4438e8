// The JavaScript codec, driven line by line from javascript.py:
//
//   {"make": ID, "job": NAME, ...}  prepares a work                 -> {}
//   {"run": ID, "loops": N}         does it N times                 -> {"seconds": S}
//   {"read": PATH, "size": N}       decodes a file in pieces of N   -> {"grown": B}, the resident set at most, in bytes
import fs from "node:fs";
import readline from "node:readline";
import { EventStreamCodec, EventStreamMarshaller } from "@smithy/core/event-streams";
import { fromUtf8, toUtf8 } from "@smithy/core/serde";
import { Sha256 } from "@smithy/core/checksum";
import { SignatureV4 } from "@smithy/signature-v4";

const codec = new EventStreamCodec(toUtf8, fromUtf8);
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const string = (value) => ({ type: "string", value });

function cut(data, size) {
  const pieces = [];
  for (let i = 0; i < data.length; i += size) pieces.push(data.subarray(i, i + size));
  return pieces;
}

async function* each(pieces) {
  yield* pieces;
}

async function drain(pieces) {
  const marshaller = new EventStreamMarshaller({ utf8Encoder: toUtf8, utf8Decoder: fromUtf8 });
  for await (const event of marshaller.deserialize(pieces, async (event) => event)) void event;
}

const jobs = {
  decode({ wire }) {
    const data = bytes(wire);
    return () => {
      const message = codec.decode(data);
      if (message.headers[":event-type"].value === undefined) throw new Error("no event type");
    };
  },

  encode({ headers, payload }) {
    const body = bytes(payload);
    return () => {
      const typed = {};
      for (const name in headers) typed[name] = string(headers[name]);
      return codec.encode({ headers: typed, body });
    };
  },

  // As the SDK's EventSigningTransformStream does it, with the event's own message around the audio.
  sign({ headers, payload, keys, region, service }) {
    const body = bytes(payload);
    const signer = new SignatureV4({
      credentials: { accessKeyId: keys[0], secretAccessKey: keys[1] },
      region,
      service,
      sha256: Sha256,
    });
    let priorSignature = "0".repeat(64);
    return async () => {
      const typed = {};
      for (const name in headers) typed[name] = string(headers[name]);
      const inner = codec.encode({ headers: typed, body });
      const now = new Date();
      const date = { ":date": { type: "timestamp", value: now } };
      const signed = await signer.sign({ message: { body: inner, headers: date }, priorSignature }, { signingDate: now });
      priorSignature = signed.signature;
      const value = new Uint8Array(Buffer.from(priorSignature, "hex"));
      return codec.encode({ headers: { ...date, ":chunk-signature": { type: "binary", value } }, body: inner });
    };
  },

  // A stream in pieces, through the SDK's own assembly of messages.
  stream({ wire, size }) {
    const pieces = cut(bytes(wire), size);
    return () => drain(each(pieces));
  },
};

const works = new Map();

async function answer(line) {
  if (line.read !== undefined) {
    const before = process.memoryUsage().rss;
    await drain(fs.createReadStream(line.read, { highWaterMark: line.size }));
    return { grown: process.resourceUsage().maxRSS * 1024 - before };
  }
  if (line.make !== undefined) {
    works.set(line.make, jobs[line.job](line));
    return {};
  }
  const work = works.get(line.run);
  const start = process.hrtime.bigint();
  const given = work();
  if (given instanceof Promise) {
    await given;
    for (let i = 1; i < line.loops; i++) await work();
  } else {
    for (let i = 1; i < line.loops; i++) work();
  }
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9 };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
