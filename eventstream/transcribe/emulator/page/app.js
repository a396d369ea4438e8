// The page: a source of audio, a session that carries it, captions, and the frames of both directions.

import { AudioError, openFile, openMicrophone, peak } from "./audio.js";
import { Captions } from "./captions.js";
import { byId, clock } from "./element.js";
import { Inspector } from "./inspector.js";
import { Session, StreamProblem } from "./session.js";

const captions = new Captions();
const inspector = new Inspector();
const [speak, file, controls] = ["speak", "file", "controls"].map(byId);

let running = null; // {source, session}: one stream at a time

const STATES = {
  ready: "Ready",
  opening: "Getting ready …",
  listening: "Listening",
  sending: "Sending",
  finishing: "Finishing …",
  done: "Done",
  failed: "Stopped",
};

function show(state) {
  const status = byId("status");
  status.dataset.state = state;
  status.textContent = STATES[state];
  const busy = ["opening", "listening", "sending", "finishing"].includes(state);
  const stoppable = state === "listening" || state === "sending";
  byId("speak-label").textContent = stoppable ? "Stop" : busy ? STATES[state] : "Speak";
  speak.classList.toggle("stops", stoppable);
  speak.setAttribute("aria-disabled", busy && !stoppable);
  file.disabled = busy;
  for (const field of controls.querySelectorAll("select, [type=checkbox]")) field.disabled = busy;
}

function showProblem(problem) {
  const box = byId("error");
  box.replaceChildren();
  box.hidden = !problem;
  if (!problem) return;
  const sentence = document.createElement("p");
  sentence.textContent = problem.message;
  box.append(sentence);
  if (problem.details) {
    const details = document.createElement("p");
    details.className = "details";
    details.textContent = problem.details;
    box.append(details);
  }
}

function parametersOf({ sampleRate, channels }, chosen) {
  return {
    "language-code": chosen.get("language-code"),
    "media-encoding": "pcm",
    "sample-rate": String(sampleRate),
    ...(chosen.get("parts") === "speakers" && { "show-speaker-label": "true" }),
    ...(channels === 2 && { "enable-channel-identification": "true", "number-of-channels": "2" }),
    ...(chosen.get("stable") && { "enable-partial-results-stabilization": "true", "partial-results-stability": "high" }),
  };
}

async function run(openSource, live) {
  const chosen = new FormData(controls); // before the fields are disabled, as those are left out
  show("opening");
  showProblem(null);
  captions.clear();
  inspector.clear();
  byId("hint").hidden = true;
  byId("sent").textContent = "";
  let source;
  try {
    source = await openSource(chosen.get("parts") === "channels");
  } catch (problem) {
    finished(problem instanceof AudioError ? problem : new StreamProblem("The audio cannot be used.", String(problem)));
    return;
  }
  const session = new Session({
    frame: (sent, opened) => inspector.add(sent, opened),
    results: (results) => captions.show(results),
    finished,
  });
  running = { source, session };
  byId("progress").hidden = source.duration === null;
  const second = source.sampleRate * source.channels * 2; // bytes
  let sent = 0;
  source.start(
    (chunk) => {
      if (running?.session !== session) return;
      sent += chunk.length;
      byId("sent").textContent = clock(sent / second) + (source.duration === null ? "" : ` of ${clock(source.duration)}`);
      if (source.duration) byId("progress").value = sent / second / source.duration;
      byId("level").style.setProperty("--level", Math.sqrt(peak(chunk)).toFixed(2));
      session.send(chunk);
    },
    () => {
      session.end();
      source.release();
      if (running?.session !== session) return;
      byId("level").style.setProperty("--level", 0);
      show("finishing");
    },
  );
  show(live ? "listening" : "sending");
  await session.start(parametersOf(source, chosen));
}

function finished(problem) {
  running?.source.stop();
  running?.source.release();
  running = null;
  captions.finish();
  byId("progress").hidden = true;
  byId("level").style.setProperty("--level", 0);
  show(problem ? "failed" : "done");
  showProblem(problem);
  if (problem && !byId("captions").children.length) byId("hint").hidden = false;
}

speak.addEventListener("click", () => {
  if (running) running.source.stop();
  else if (speak.getAttribute("aria-disabled") !== "true") run(openMicrophone, true);
});

file.addEventListener("change", () => {
  const [chosen] = file.files;
  file.value = ""; // so that the same file can be chosen again
  if (chosen && !running) run((both) => openFile(chosen, both), false);
});

controls.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("pagehide", () => running?.source.release());
show("ready");
