// Every frame of both directions in a list, and one of them opened, with its bytes marked by the parts they belong to.

import { peak } from "./audio.js";
import { byId, clock, element, keepingEnd } from "./element.js";

export const MAX_FRAMES = 500; // the newest; memory stays bounded however long a stream is
const MAX_BYTES_SHOWN = 128; // of one part, until the user asks for all
const MAX_TEXT_SHOWN = 20_000;
const FOLLOW_EVERY = 400; // milliseconds between changes of what is opened while frames come

export class Inspector {
  #list = byId("list");
  #detail = byId("detail");
  #hint = byId("frames-hint");
  #counts = byId("counts");
  #followButton = byId("follow");
  #rows = []; // {sent, opened, at, number, option}, the oldest first
  #chosen = null;
  #following = true;
  #due = null;
  #totals = { sent: 0, received: 0 };
  #begun = 0;

  constructor() {
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("click", ({ target }) => {
      const row = this.#rows.find(({ option }) => option.contains(target));
      if (row) this.#choose(row);
    });
    this.#followButton.addEventListener("click", () => this.#follow(!this.#following));
    for (const id of ["show-sent", "show-received"]) {
      byId(id).addEventListener("change", () => {
        this.#list.classList.toggle(`without-${id.slice(5)}`, !byId(id).checked);
      });
    }
  }

  clear() {
    this.#rows = [];
    this.#chosen = null;
    this.#totals = { sent: 0, received: 0 };
    this.#begun = performance.now();
    this.#list.replaceChildren();
    this.#detail.replaceChildren();
    this.#detail.hidden = true;
    this.#list.hidden = true;
    this.#hint.hidden = false;
    this.#counts.textContent = "";
    this.#follow(true);
  }

  add(sent, opened) {
    const row = { sent, opened, at: (performance.now() - this.#begun) / 1000, number: ++this.#totals[sent ? "sent" : "received"] };
    row.option = option(row);
    this.#rows.push(row);
    this.#hint.hidden = true;
    this.#list.hidden = false;
    keepingEnd(this.#list, () => {
      this.#list.append(row.option);
      while (this.#rows.length > MAX_FRAMES) this.#rows.shift().option.remove();
    });
    const { sent: up, received: down } = this.#totals;
    const kept = up + down > MAX_FRAMES ? `, the newest ${MAX_FRAMES} listed` : "";
    this.#counts.textContent = `${up.toLocaleString("en")} sent, ${down.toLocaleString("en")} received${kept}`;
    if (this.#following && (!sent || !this.#chosen)) this.#openSoon(row);
  }

  // Results that come quickly would flicker: the newest one is opened a few times a second.
  #openSoon(row) {
    if (this.#due === null) {
      setTimeout(() => {
        const due = this.#due;
        this.#due = null;
        if (this.#following && this.#rows.includes(due)) this.#open(due);
      }, this.#chosen ? FOLLOW_EVERY : 0);
    }
    this.#due = row;
  }

  #follow(following) {
    this.#following = following;
    this.#followButton.setAttribute("aria-pressed", following);
    const newest = this.#rows.findLast(({ sent }) => !sent) ?? this.#rows.at(-1);
    if (following && newest) {
      this.#open(newest);
      this.#list.scrollTop = this.#list.scrollHeight;
    }
  }

  #choose(row) {
    this.#following = false;
    this.#followButton.setAttribute("aria-pressed", false);
    this.#open(row);
    row.option.scrollIntoView({ block: "nearest" });
  }

  #open(row) {
    this.#chosen?.option.setAttribute("aria-selected", false);
    this.#chosen = row;
    row.option.setAttribute("aria-selected", true);
    this.#list.setAttribute("aria-activedescendant", row.option.id);
    this.#detail.replaceChildren(...detail(row));
    this.#detail.hidden = false;
  }

  #key(event) {
    const shown = this.#rows.filter(({ option }) => option.offsetParent !== null);
    if (!shown.length) return;
    const at = shown.indexOf(this.#chosen);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? shown.length - 1 : at - 1, Home: 0, End: shown.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#choose(shown[Math.max(0, Math.min(shown.length - 1, to))]);
  }
}

// One line of the list

function option(row) {
  const { sent, opened, at, number } = row;
  const direction = sent ? "sent" : "received";
  return element(
    "div",
    { role: "option", "aria-selected": "false", id: `${direction}-${number}`, class: `${direction}${opened.error ? " bad" : ""}` },
    element("span", { class: "arrow", role: "img", "aria-label": direction }, sent ? "↑" : "↓"),
    element("span", { class: "at" }, clock(at)),
    element("span", { class: "kind" }, nameOf(opened)),
    element("span", { class: "about" }, about(opened)),
    element("span", { class: "size" }, `${opened.frame.length.toLocaleString("en")} B`),
  );
}

const nameOf = ({ fields, error }) =>
  String(fields.get(":event-type") ?? fields.get(":exception-type") ?? fields.get(":error-code") ?? (error ? "Damaged frame" : "Message"));

function about(opened) {
  const { fields, payload, error } = opened;
  if (error) return error.message;
  if (isAudio(fields)) return payload.length ? element("span", { class: "bar", role: "img", "aria-label": loudness(payload) }, bar(peak(payload))) : "end of the audio";
  const body = json(opened);
  const [first] = body?.Transcript?.Results ?? [];
  if (first) return String(first.Alternatives?.[0]?.Transcript ?? "");
  return String(body?.Message ?? fields.get(":error-message") ?? (body?.Transcript ? "no results yet" : ""));
}

const isAudio = (fields) => fields.get(":event-type") === "AudioEvent";
const loudness = (payload) => `loudest sample ${Math.round(peak(payload) * 100)} %`;
const bar = (value) => "▁▂▃▄▅▆▇█"[Math.min(7, Math.floor(Math.sqrt(value) * 8))];

function json({ fields, payload }) {
  if (!String(fields.get(":content-type") ?? "").includes("json")) return null;
  try {
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return null;
  }
}

// The opened frame

function detail({ sent, opened, at, number }) {
  const { parts, error } = opened;
  const root = [
    element(
      "h3",
      {},
      `${nameOf(opened)} `,
      element("span", { class: "which" }, `${sent ? "sent" : "received"}, number ${number}, ${clock(at)}`),
    ),
  ];
  if (error) root.push(element("p", { class: "fault" }, `${error.kind}: ${error.message} (at byte ${error.offset})`));
  const bytes = element("p", { class: "bytes", role: "group", "aria-label": "The frame’s bytes, marked by its parts" });
  const rows = element("tbody");
  parts.forEach((part, index) => {
    const chunk = element("span", { class: `part ${part.kind}`, "data-part": index });
    fill(chunk, opened.frame.subarray(part.start, part.end));
    bytes.append(chunk, " ");
  });
  for (let index = 0; index < parts.length; ) {
    const { header } = parts[index];
    const group = header === null ? [parts[index]] : parts.filter((part) => part.header === header);
    rows.append(row(group, index, opened));
    index += group.length;
  }
  const table = element(
    "table",
    { class: "parts" },
    element("caption", { class: "hidden" }, "Parts of the frame"),
    element("thead", { class: "hidden" }, element("tr", {}, ...["Bytes", "Part", "Says"].map((title) => element("th", { scope: "col" }, title)))),
    rows,
  );
  mark(bytes, table);
  root.push(element("div", { class: "scroll" }, bytes), table, payloadOf(opened));
  return root;
}

function fill(chunk, bytes, all = false) {
  const shown = all ? bytes : bytes.subarray(0, MAX_BYTES_SHOWN);
  chunk.replaceChildren(Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join(" "));
  if (shown.length === bytes.length) return;
  const more = element("button", { type: "button", class: "more" }, `and ${(bytes.length - shown.length).toLocaleString("en")} more`);
  more.addEventListener("click", () => fill(chunk, bytes, true));
  chunk.append(" ", more);
}

// A line of the table: one part, or the parts of one header, the first of which has this index.
function row(group, index, { headers }) {
  const [{ kind, label, start, text, header }] = group;
  const end = group.at(-1).end;
  const says = element("td", { class: text.includes("✗") ? "fault" : null }, text);
  if (header !== null) {
    const { type, value } = headers[header] ?? {};
    const texts = { name: label, type, value: type === undefined ? "" : shownValue({ type, value }) };
    says.append(...group.map((part, at) => element("span", { class: `piece ${part.kind}`, "data-part": index + at }, shortened(texts[part.kind] ?? part.text))));
  }
  return element(
    "tr",
    { "data-part": group.map((_, at) => index + at).join(" "), tabindex: "0" },
    element("td", { class: "range" }, end - start === 1 ? `${start}` : `${start}–${end - 1}`),
    element("th", { scope: "row" }, element("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), header === null ? label : "Header"),
    says,
  );
}

const shortened = (text) => (text.length > 300 ? `${text.slice(0, 300)}…` : text);

function shownValue({ type, value }) {
  if (type === "timestamp" && value > -8.64e15 && value < 8.64e15) return new Date(Number(value)).toISOString();
  if (type === "bytes") return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return String(value);
}

// Pointing at a part, or moving the focus to it, marks its bytes; and the other way round.
function mark(bytes, table) {
  const set = (target, marked) => {
    for (const index of target.closest?.("[data-part]")?.dataset.part.split(" ") ?? []) {
      for (const found of table.parentNode.querySelectorAll(`[data-part~="${index}"]`)) {
        found.classList.toggle("marked", marked);
      }
    }
  };
  for (const one of [bytes, table]) {
    one.addEventListener("pointerover", ({ target }) => set(target, true));
    one.addEventListener("pointerout", ({ target }) => set(target, false));
    one.addEventListener("focusin", ({ target }) => set(target, true));
    one.addEventListener("focusout", ({ target }) => set(target, false));
  }
}

function payloadOf(opened) {
  const { fields, payload } = opened;
  const body = json(opened);
  if (body !== null) {
    const text = JSON.stringify(body, null, 2);
    return element("pre", { class: "json", tabindex: "0", "aria-label": "The payload" }, text.length > MAX_TEXT_SHOWN ? `${text.slice(0, MAX_TEXT_SHOWN)}…` : text);
  }
  if (isAudio(fields) && payload.length) return waveform(payload);
  return "";
}

// The samples' highest and lowest values, column by column.
function waveform(payload) {
  const columns = 160;
  const height = 40;
  const numbers = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const samples = Math.floor(payload.length / 2);
  const lines = [];
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column * samples) / columns);
    const to = Math.max(from + 1, Math.floor(((column + 1) * samples) / columns));
    let low = 0;
    let high = 0;
    for (let at = from; at < Math.min(to, samples); at++) {
      const value = numbers.getInt16(at * 2, true) / 32_768;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const y = (value) => ((1 - Math.sign(value) * Math.sqrt(Math.abs(value))) * height) / 2;
    lines.push(`M${column + 0.5} ${(y(high) - 0.5).toFixed(1)}V${(y(low) + 0.5).toFixed(1)}`);
  }
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${columns} ${height}`, preserveAspectRatio: "none", class: "waveform", role: "img", "aria-label": `${samples} samples, ${loudness(payload)}` })) {
    svg.setAttribute(name, value);
  }
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", lines.join(""));
  svg.append(path);
  return svg;
}
