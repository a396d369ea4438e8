// Runs on the audio thread: the microphone's samples in, chunks of 16-bit PCM out.

const CHUNKS_PER_SECOND = 10;

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions: { every } }) {
    super();
    this.every = every; // so many samples are averaged into one
    this.chunk = new Int16Array(Math.round(sampleRate / every / CHUNKS_PER_SECOND));
    this.length = 0;
    this.sum = 0;
    this.summed = 0;
    this.stopped = false;
    this.port.onmessage = () => {
      this.stopped = true;
      this.flush();
      this.port.postMessage(null); // nothing follows
    };
  }

  process([channels]) {
    if (this.stopped) return false;
    const [samples] = channels;
    for (const sample of samples ?? []) {
      this.sum += sample;
      if (++this.summed < this.every) continue;
      const value = Math.max(-1, Math.min(1, this.sum / this.every));
      this.sum = this.summed = 0;
      this.chunk[this.length++] = Math.round(value * 32_767);
      if (this.length === this.chunk.length) this.flush();
    }
    return true;
  }

  flush() {
    if (this.length) this.port.postMessage(this.chunk.slice(0, this.length));
    this.length = 0;
  }
}

registerProcessor("capture", Capture);
