// Sources of audio: each gives chunks of about 100 ms of 16-bit PCM, little-endian, as they are heard.
//
// A source has `sampleRate`, `channels`, `duration` in seconds or null, `start(onChunk, onEnd)` and `stop()`, after which
// the rest of what was heard is given, and then onEnd is called. `release()` gives the device back.

const RATE = 16_000;
const MAX_RATE = 48_000;
const CHUNKS_PER_SECOND = 10;

// Something that the user can do something about, in plain words.
export class AudioError extends Error {}

const DENIED = {
  NotAllowedError: "The browser may not use the microphone. Allow it for this page, and try again.",
  NotFoundError: "There is no microphone. Connect one, or choose a file.",
  NotReadableError: "The microphone is in use by another program. Close that program, and try again.",
};

export async function openMicrophone() {
  if (!navigator.mediaDevices) {
    throw new AudioError("Browsers allow the microphone only on localhost or over HTTPS. Open this page at http://localhost or https://.");
  }
  // Ready before the microphone is, so that nothing is missed.
  let context = await prepared({ sampleRate: RATE });
  let media;
  try {
    media = await askForMicrophone();
    try {
      return new Microphone(media, context);
    } catch (error) {
      if (error.name !== "NotSupportedError") throw error;
      await context.close();
      context = await prepared(); // Firefox does not resample a microphone: take its own rate
      return new Microphone(media, context);
    }
  } catch (error) {
    for (const track of media?.getTracks() ?? []) track.stop();
    await context.close();
    throw error;
  }
}

async function askForMicrophone() {
  try {
    // What makes calls pleasant cuts off words, and a recogniser wants to hear them.
    return await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, autoGainControl: false, echoCancellation: false, noiseSuppression: false },
    });
  } catch (error) {
    throw new AudioError(DENIED[error.name] ?? `The microphone cannot be used (${error.name}).`);
  }
}

async function prepared(options) {
  const context = new AudioContext(options);
  await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
  return context;
}

class Microphone {
  channels = 1;
  duration = null;
  #media;
  #context;
  #node;

  constructor(media, context) {
    const every = Math.ceil(context.sampleRate / MAX_RATE);
    this.#media = media;
    this.#context = context;
    this.#node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, processorOptions: { every } });
    context.createMediaStreamSource(media).connect(this.#node);
    context.resume();
    this.sampleRate = context.sampleRate / every;
  }

  // What was heard since the microphone was opened comes first.
  start(onChunk, onEnd) {
    this.#node.port.onmessage = ({ data }) => (data === null ? onEnd() : onChunk(bytesOf(data)));
    for (const track of this.#media.getTracks()) track.onended = () => this.stop(); // it was unplugged
  }

  stop() {
    this.#node.port.postMessage("stop");
  }

  release() {
    for (const track of this.#media.getTracks()) track.stop();
    if (this.#context.state !== "closed") this.#context.close();
  }
}

// Whatever the browser can decode; two channels only if they are to be told apart.
export async function openFile(file, bothChannels) {
  let audio;
  try {
    audio = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new AudioError(`The browser cannot read audio from ${file.name}.`);
  }
  const channels = Array.from({ length: audio.numberOfChannels }, (_, number) => audio.getChannelData(number));
  if (bothChannels) {
    if (channels.length !== 2) {
      throw new AudioError(`${file.name} has ${channels.length === 1 ? "one channel" : `${channels.length} channels`}, not two.`);
    }
    return new Recording(interleaved(channels), 2);
  }
  return new Recording(interleaved([mixed(channels)]), 1);
}

const mixed = ([first, ...others]) =>
  others.length ? first.map((sample, at) => others.reduce((sum, other) => sum + other[at], sample) / (others.length + 1)) : first;

function interleaved(channels) {
  const samples = new Int16Array(channels[0].length * channels.length);
  for (const [number, channel] of channels.entries()) {
    for (let at = 0; at < channel.length; at++) {
      samples[at * channels.length + number] = Math.round(Math.max(-1, Math.min(1, channel[at])) * 32_767);
    }
  }
  return samples;
}

class Recording {
  sampleRate = RATE;
  #samples;
  #stop = null;

  constructor(samples, channels) {
    this.#samples = samples;
    this.channels = channels;
    this.duration = samples.length / channels / RATE;
  }

  // In real time. A tab in the background gets its timers late: what is due by then is sent at once.
  start(onChunk, onEnd) {
    const step = (RATE / CHUNKS_PER_SECOND) * this.channels;
    const begun = performance.now();
    let at = 0;
    const timer = setInterval(() => {
      const due = Math.min(this.#samples.length, Math.floor(((performance.now() - begun) / 1000) * CHUNKS_PER_SECOND + 1) * step);
      while (at < due && this.#stop) {
        onChunk(bytesOf(this.#samples.subarray(at, Math.min(at + step, this.#samples.length))));
        at += step;
      }
      if (at >= this.#samples.length) this.stop();
    }, 1000 / CHUNKS_PER_SECOND / 4);
    this.#stop = () => {
      clearInterval(timer);
      this.#stop = null;
      onEnd();
    };
  }

  stop() {
    this.#stop?.();
  }

  release() {
    this.#samples = new Int16Array();
  }
}

// Little-endian, whatever the machine is.
function bytesOf(samples) {
  const bytes = new Uint8Array(samples.length * 2);
  const numbers = new DataView(bytes.buffer);
  samples.forEach((sample, at) => numbers.setInt16(at * 2, sample, true));
  return bytes;
}

// The loudest sample of PCM, 0 to 1.
export function peak(bytes) {
  const numbers = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let highest = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) highest = Math.max(highest, Math.abs(numbers.getInt16(at, true)));
  return highest / 32_768;
}
