// @aws-sdk/client-bedrock-runtime; called with an endpoint, a CA file (trusted by NODE_EXTRA_CA_CERTS), keys, a model and
// texts. It converses with the model, and prints each answer, and its error if there is one.
//
// Node looks for modules near the script; these are in the directory that it is run in.

import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const aws = require("@aws-sdk/client-bedrock-runtime");

const [endpoint, , accessKeyId, secretAccessKey, modelId, ...texts] = process.argv.slice(2);
const client = new aws.BedrockRuntimeClient({
  region: "us-east-1",
  endpoint,
  credentials: { accessKeyId, secretAccessKey },
  maxAttempts: 1,
});

async function* body() {
  for (const text of texts) yield { chunk: { bytes: new TextEncoder().encode(text) } };
}

try {
  const response = await client.send(new aws.InvokeModelWithBidirectionalStreamCommand({ modelId, body: body() }));
  for await (const event of response.body) console.log(new TextDecoder().decode(event.chunk.bytes));
} catch (error) {
  console.log(`${error.name}: ${error.message}`);
}
client.destroy();
