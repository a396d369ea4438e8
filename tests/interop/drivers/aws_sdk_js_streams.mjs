// AWS's clients for JavaScript of the services that stream both ways; called with an endpoint, a CA file (trusted by
// NODE_EXTRA_CA_CERTS), keys and streams: see aws_sdk_streams.py. There is none for connecthealth.
//
// Node looks for modules near the script; these are in the directory that it is run in.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { NodeHttp2Handler } = require("@smithy/node-http-handler");
const CLIENTS = {
  "bedrock-runtime": ["@aws-sdk/client-bedrock-runtime", "BedrockRuntimeClient", "body", "body"],
  "lexv2-runtime": [
    "@aws-sdk/client-lex-runtime-v2",
    "LexRuntimeV2Client",
    "requestEventStream",
    "responseEventStream",
  ],
  polly: ["@aws-sdk/client-polly", "PollyClient", "ActionStream", "EventStream"],
  qbusiness: ["@aws-sdk/client-qbusiness", "QBusinessClient", "inputStream", "outputStream"],
};
const [endpoint, , accessKeyId, secretAccessKey, file] = process.argv.slice(2);

function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  if ("$bytes" in value) return new Uint8Array(Buffer.from(value.$bytes, "base64"));
  if ("$timestamp" in value) return new Date(value.$timestamp * 1000);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

function tagged(value) {
  if (Array.isArray(value)) return value.map(tagged);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Date) return value.getTime() / 1000;
  if (value === null || typeof value !== "object") return value;
  const present = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(present.map(([name, member]) => [name, tagged(member)]));
}

for (const { service, operation, parameters, events } of JSON.parse(readFileSync(file, "utf-8"))) {
  if (!(service in CLIENTS)) continue;
  const say = (line) => console.log(JSON.stringify({ service, ...line }));
  const [module, name, input, output] = CLIENTS[service];
  const aws = require(module);
  const client = new aws[name]({
    region: "us-east-1",
    endpoint,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
    requestHandler: new NodeHttp2Handler(),
  });
  async function* body() {
    for (const event of events) yield plain(event);
  }
  try {
    const response = await client.send(new aws[`${operation}Command`]({ ...parameters, [input]: body() }));
    for await (const event of response[output]) say({ event: tagged(event) });
    say({ end: true });
  } catch (error) {
    say({ error: error.name, message: error.message });
  }
  client.destroy();
}
