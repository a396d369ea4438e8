// @aws-sdk/client-transcribe-streaming: see common.py for what a driver is given and prints.
//
// Node looks for modules near the script; these are in the directory that it is run in.

import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { StartStreamTranscriptionCommand, TranscribeStreamingClient } = require("@aws-sdk/client-transcribe-streaming");

const [host, port, caFile, scenario] = process.argv.slice(2);
const { keys, streams } = JSON.parse(scenario);

const pascal = (name) => name.replace(/(^|_)(.)/g, (_, __, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/(?<=.)([A-Z])/g, "_$1").toLowerCase();

function rename(object, convert) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [convert(name), value]));
}

const client = new TranscribeStreamingClient({
  region: "us-east-1",
  endpoint: `${caFile ? "https" : "http"}://${host}:${port}`,
  credentials: { accessKeyId: keys[0], secretAccessKey: keys[1] },
  maxAttempts: 1,
});

async function run(number, { parameters, chunks, hold }, begun, released) {
  const say = (line) => console.log(JSON.stringify({ stream: number, ...line }));
  async function* audio() {
    for (const length of chunks) yield { AudioEvent: { AudioChunk: new Uint8Array(length) } };
    if (hold) await released;
  }
  try {
    const { $metadata, TranscriptResultStream: events, ...response } = await client.send(
      new StartStreamTranscriptionCommand({ ...rename(parameters, pascal), AudioStream: audio() }),
    );
    say({ response: rename(response, snake) });
    for await (const event of events) {
      say({ results: event.TranscriptEvent.Transcript.Results });
      begun();
    }
    say({ end: true });
  } catch (error) {
    say({ error: error.name, code: error.name, message: error.message, status: error.$metadata?.httpStatusCode });
  } finally {
    begun();
  }
}

const held = [];
let release;
const released = new Promise((resolve) => (release = resolve));
for (const [number, stream] of streams.entries()) {
  let begun;
  const hasBegun = new Promise((resolve) => (begun = resolve));
  const running = run(number, stream, begun, released);
  if (stream.hold) held.push(running);
  await (stream.hold ? hasBegun : running);
}
release();
await Promise.all(held);
client.destroy();
