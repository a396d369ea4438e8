// Results become captions: partial ones grow in place, and a final one settles among the captions.

import { byId, clock, element, keepingEnd } from "./element.js";

const MAX_CAPTIONS = 1_000;
const UNSURE = 0.7; // below it a word is marked

export class Captions {
  #captions = byId("captions");
  #partials = byId("partials");
  #scroller = byId("transcript");
  #growing = new Map(); // the element of each partial result, by its id

  clear() {
    this.#captions.replaceChildren();
    this.#forgetPartials();
  }

  // Partial results that never became final ones are no captions.
  #forgetPartials() {
    this.#growing.clear();
    this.#partials.replaceChildren();
  }

  finish() {
    this.#forgetPartials();
  }

  show(results) {
    keepingEnd(this.#scroller, () => results.forEach((result) => this.#showOne(result)));
  }

  #showOne(result) {
    const alternative = result?.Alternatives?.[0];
    const id = `${result?.ResultId ?? ""} ${result?.ChannelId ?? ""}`;
    if (result?.IsPartial) {
      if (!alternative?.Transcript) return;
      let growing = this.#growing.get(id);
      if (!growing) {
        growing = element("p", { class: "partial", "data-channel": result.ChannelId });
        this.#growing.set(id, growing);
        this.#partials.append(growing);
      }
      growing.replaceChildren(...words(alternative));
      return;
    }
    this.#growing.get(id)?.remove();
    this.#growing.delete(id);
    if (!alternative?.Transcript) return;
    this.#captions.append(caption(result, alternative));
    while (this.#captions.children.length > MAX_CAPTIONS) this.#captions.firstChild.remove();
  }
}

function caption(result, alternative) {
  const turns = turnsOf(alternative);
  const surest = confidence(alternative);
  const meta = element("p", { class: "meta" });
  if (Number.isFinite(result.StartTime) && Number.isFinite(result.EndTime)) {
    meta.append(element("span", { class: "time" }, `${clock(result.StartTime)} – ${clock(result.EndTime)}`));
  }
  if (result.ChannelId) meta.append(element("span", { class: "channel" }, `Channel ${result.ChannelId.replace("ch_", "")}`));
  if (result.LanguageCode) meta.append(element("span", {}, result.LanguageCode));
  if (surest !== null) meta.append(element("span", { class: "confidence" }, `${Math.round(surest * 100)}% sure`));
  return element(
    "li",
    { class: "caption", "data-channel": result.ChannelId },
    meta,
    ...turns.map(({ speaker, items }) =>
      element(
        "p",
        { class: "words", "data-speaker": speaker === null ? null : hue(speaker) },
        speaker === null ? null : element("span", { class: "speaker" }, `Speaker ${speaker} `),
        ...items,
      ),
    ),
  );
}

// Speakers have one of six colours, the same one each time.
const hue = (speaker) => (Number.isInteger(Number(speaker)) ? Number(speaker) % 6 : speaker.length % 6);

// What each speaker said, one after the other; one turn where no speakers are told.
function turnsOf(alternative) {
  const turns = [];
  for (const item of alternative.Items ?? []) {
    const speaker = item.Speaker ?? (item.Type === "punctuation" ? (turns.at(-1)?.speaker ?? null) : null);
    if (!turns.length || turns.at(-1).speaker !== speaker) turns.push({ speaker, alternative: { Items: [] } });
    turns.at(-1).alternative.Items.push(item);
  }
  if (turns.length < 2) return [{ speaker: turns[0]?.speaker ?? null, items: words(alternative) }];
  return turns.map((turn) => ({ speaker: turn.speaker, items: words(turn.alternative) }));
}

// The transcript's own text, with each word's time and confidence where the items tell them and agree with it.
function words({ Transcript: transcript, Items: items = [] }) {
  const made = [];
  let rest = transcript;
  for (const item of items) {
    const content = String(item.Content ?? "");
    const at = rest === undefined ? 0 : rest.indexOf(content);
    if (at < 0) return [transcript];
    const before = rest === undefined ? (made.length && item.Type !== "punctuation" ? " " : "") : rest.slice(0, at);
    made.push(before, word(item, content));
    rest = rest?.slice(at + content.length);
  }
  return [...made, rest ?? ""];
}

function word(item, content) {
  const unsure = Number.isFinite(item.Confidence) && item.Confidence < UNSURE;
  const facts = [];
  if (Number.isFinite(item.StartTime) && Number.isFinite(item.EndTime) && item.Type !== "punctuation") {
    facts.push(`${item.StartTime.toFixed(2)}–${item.EndTime.toFixed(2)} s`);
  }
  if (Number.isFinite(item.Confidence)) facts.push(`${Math.round(item.Confidence * 100)}% sure`);
  const classes = [unsure && "unsure", item.Stable === false && "unstable", item.VocabularyFilterMatch && "filtered"].filter(Boolean);
  return element("span", { class: classes.join(" ") || null, title: facts.join(", ") || null }, content);
}

// The mean of the words' confidence; null where the recogniser gives none.
function confidence({ Items: items = [] }) {
  const given = items.filter((item) => item.Type !== "punctuation" && Number.isFinite(item.Confidence));
  return given.length ? given.reduce((sum, item) => sum + item.Confidence, 0) / given.length : null;
}
