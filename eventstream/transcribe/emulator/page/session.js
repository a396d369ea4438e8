// One stream over a WebSocket, as browser clients of the service have it: a presigned URL, audio events that are not
// signed, an empty one at the end, and events that come back until the service closes.

import { encode, FrameError, open, Splitter } from "./frames.js";

const MAX_WAITING = 2 ** 21; // bytes of audio, half a minute and more, that neither the socket nor the service took yet

const HEADERS = (type) => [
  [":content-type", "string", "application/octet-stream"],
  [":event-type", "string", type],
  [":message-type", "string", "event"],
];

const SENTENCES = {
  BadRequestException: "The service did not accept the request.",
  ConflictException: "Another stream took over this session.",
  InternalFailureException: "The service failed. Try again.",
  LimitExceededException: "The service has no room for this stream now. Try again later.",
  ServiceUnavailableException: "The service is not available now. Try again.",
};

// What became of a stream, in words for people: a sentence, and details if there are any.
export class StreamProblem extends Error {
  constructor(sentence, details = "") {
    super(sentence);
    this.details = details;
  }
}

// A URL that opens one stream with these parameters, for a minute.
export async function presign(parameters) {
  let response;
  try {
    response = await fetch(`presign?${new URLSearchParams(parameters)}`, { headers: { "x-eventstream-page": "1" }, cache: "no-store" });
  } catch {
    throw new StreamProblem("The emulator does not answer. Is it still running?");
  }
  const body = await response.text();
  if (!response.ok) throw new StreamProblem("The emulator did not give out an address for the stream.", body.trim());
  return JSON.parse(body).url;
}

// Handlers: frame(sent, opened), results(results), finished(problem or null), once and last.
export class Session {
  #handlers;
  #socket = null;
  #waiting = [];
  #waitingBytes = 0;
  #splitter = new Splitter();
  #ended = false;
  #over = false;

  constructor(handlers) {
    this.#handlers = handlers;
  }

  async start(parameters) {
    let url;
    try {
      url = await presign(parameters);
    } catch (problem) {
      this.#finish(problem);
      return;
    }
    if (this.#over) return;
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#flush();
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = (event) => this.#closed(event);
  }

  send(chunk) {
    if (!this.#over && !this.#ended && chunk.length) this.#put(encode(HEADERS("AudioEvent"), chunk));
  }

  // The service finishes what it heard, and closes.
  end() {
    if (this.#over || this.#ended) return;
    this.#ended = true;
    this.#put(encode(HEADERS("AudioEvent")));
  }

  #put(frame) {
    const open = this.#socket?.readyState === WebSocket.OPEN;
    if ((open ? this.#socket.bufferedAmount : this.#waitingBytes) + frame.length > MAX_WAITING) {
      this.#finish(new StreamProblem("The emulator takes no more audio. It may be too slow for this stream."));
    } else if (open) {
      this.#send(frame);
    } else {
      this.#waiting.push(frame);
      this.#waitingBytes += frame.length;
    }
  }

  #flush() {
    for (const frame of this.#waiting.splice(0)) this.#send(frame);
    this.#waitingBytes = 0;
  }

  #send(frame) {
    this.#socket.send(frame);
    this.#handlers.frame(true, open(frame));
  }

  #receive(data) {
    if (this.#over) return;
    if (typeof data === "string") {
      this.#finish(new StreamProblem("The emulator sent text where a frame was due.", data.slice(0, 200)));
      return;
    }
    const bytes = new Uint8Array(data);
    try {
      for (const frame of this.#splitter.feed(bytes)) this.#take(open(frame));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      const damaged = open(bytes);
      this.#handlers.frame(false, damaged.error ? damaged : { ...damaged, error });
      this.#damaged(error);
    }
  }

  #damaged(error) {
    this.#finish(new StreamProblem("The service sent a damaged frame, so the stream was given up.", `${error.kind}: ${error.message}`));
  }

  #take(opened) {
    if (this.#over) return;
    this.#handlers.frame(false, opened);
    if (opened.error) {
      this.#damaged(opened.error);
      return;
    }
    const type = opened.fields.get(":message-type");
    if (type === "event") {
      const body = parsed(opened);
      const results = body?.Transcript?.Results;
      if (Array.isArray(results)) this.#handlers.results(results);
    } else if (type === "exception") {
      const name = String(opened.fields.get(":exception-type") ?? opened.fields.get(":event-type") ?? "");
      const body = parsed(opened);
      const message = body?.Message ?? body?.message ?? "";
      this.#finish(new StreamProblem(SENTENCES[name] ?? "The service ended the stream with an error.", `${name}: ${message}`));
    } else if (type === "error") {
      const [code, message] = [":error-code", ":error-message"].map((name) => String(opened.fields.get(name) ?? ""));
      this.#finish(new StreamProblem("The service ended the stream with an error.", `${code}: ${message}`));
    }
  }

  #closed({ code, reason }) {
    const details = [`closed with code ${code}`, reason].filter(Boolean).join(": ");
    if (this.#splitter.buffered) {
      this.#finish(new StreamProblem("The connection was lost in the middle of a frame.", details));
    } else if (code !== 1000) {
      this.#finish(new StreamProblem("The connection to the emulator was lost.", details));
    } else if (!this.#ended) {
      this.#finish(new StreamProblem("The service ended the stream before the audio had ended.", details));
    } else {
      this.#finish(null);
    }
  }

  #finish(problem) {
    if (this.#over) return;
    this.#over = true;
    this.#waiting = [];
    if (this.#socket) {
      this.#socket.onclose = null;
      if (this.#socket.readyState <= WebSocket.OPEN) this.#socket.close();
    }
    this.#handlers.finished(problem);
  }
}

function parsed({ payload }) {
  try {
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return null;
  }
}
