// @aws-sdk/client-transcribe-streaming in a browser: `transcribe` sends silence, and returns what came.
//
// When its audio ends, this client closes the WebSocket, and takes nothing more. To get the last results, its users send
// the service's end of the audio, an empty event, and wait until the service closes.

import { StartStreamTranscriptionCommand, TranscribeStreamingClient } from "@aws-sdk/client-transcribe-streaming";

globalThis.transcribe = async ({ endpoint, keys, chunks, parameters }) => {
  const client = new TranscribeStreamingClient({
    region: "us-east-1",
    endpoint,
    credentials: { accessKeyId: keys[0], secretAccessKey: keys[1] },
    maxAttempts: 1,
  });
  const results = [];
  let release;
  const closed = new Promise((resolve) => (release = resolve));
  async function* audio() {
    for (const length of chunks) yield { AudioEvent: { AudioChunk: new Uint8Array(length) } };
    yield { AudioEvent: { AudioChunk: new Uint8Array() } };
    await closed;
  }
  try {
    const response = await client.send(new StartStreamTranscriptionCommand({ ...parameters, AudioStream: audio() }));
    for await (const { TranscriptEvent } of response.TranscriptResultStream) {
      results.push(...TranscriptEvent.Transcript.Results);
    }
    return { results, ended: true };
  } catch (error) {
    return { results, error: error.name, message: error.message };
  } finally {
    release();
    client.destroy();
  }
};
