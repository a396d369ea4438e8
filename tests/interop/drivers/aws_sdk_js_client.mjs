// @aws-sdk/client-transcribe-streaming: see common.py for what a driver is given and prints.
//
// Node looks for modules near the script; these are in the directory that it is run in.

import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const aws = require("@aws-sdk/client-transcribe-streaming");

const [host, port, caFile, scenario] = process.argv.slice(2);
const { keys, streams } = JSON.parse(scenario);

const pascal = (name) => name.replace(/(^|_)(.)/g, (_, __, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/(?<=.)([A-Z])/g, "_$1").toLowerCase();

function rename(object, convert) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [convert(name), value]));
}

const client = new aws.TranscribeStreamingClient({
  region: "us-east-1",
  endpoint: `${caFile ? "https" : "http"}://${host}:${port}`,
  credentials: { accessKeyId: keys[0], secretAccessKey: keys[1] },
  maxAttempts: 1,
});

const BEFORE = {
  StartCallAnalyticsStreamTranscription: {
    ChannelDefinitions: [
      { ChannelId: 0, ParticipantRole: "AGENT" },
      { ChannelId: 1, ParticipantRole: "CUSTOMER" },
    ],
  },
  StartMedicalScribeStream: {
    ResourceAccessRoleArn: "arn:aws:iam::123456789012:role/scribe",
    PostStreamAnalyticsSettings: { ClinicalNoteGenerationSettings: { OutputBucketName: "notes" } },
  },
};
const STREAMS = {
  StartStreamTranscription: ["AudioStream", "TranscriptResultStream"],
  StartMedicalStreamTranscription: ["AudioStream", "TranscriptResultStream"],
  StartCallAnalyticsStreamTranscription: ["AudioStream", "CallAnalyticsTranscriptResultStream"],
  StartMedicalScribeStream: ["InputStream", "ResultStream"],
};

async function run(number, { parameters, chunks, hold, operation = "StartStreamTranscription" }, begun, released) {
  const say = (line) => console.log(JSON.stringify({ stream: number, ...line }));
  async function* audio() {
    if (operation in BEFORE) yield { ConfigurationEvent: BEFORE[operation] };
    for (const length of chunks) yield { AudioEvent: { AudioChunk: new Uint8Array(length) } };
    if (hold) await released;
    if (operation === "StartMedicalScribeStream") yield { SessionControlEvent: { Type: "END_OF_SESSION" } };
  }
  try {
    const [input, output] = STREAMS[operation];
    const { $metadata, [output]: events, ...response } = await client.send(
      new aws[`${operation}Command`]({ ...rename(parameters, pascal), [input]: audio() }),
    );
    say({ response: rename(response, snake) });
    for await (const event of events) {
      say({
        results:
          operation === "StartStreamTranscription"
            ? event.TranscriptEvent.Transcript.Results
            : Object.values(event)[0],
      });
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
