// Elements are made of names and text only: nothing that a stream says is ever read as HTML.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(attribute, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const byId = (id) => document.getElementById(id);

// 75.25 → 1:15.2
export function clock(seconds) {
  const tenths = Math.floor(seconds * 10 + 1e-6);
  const rest = `${Math.floor(tenths / 10) % 60}`.padStart(2, "0");
  return `${Math.floor(tenths / 600)}:${rest}.${tenths % 10}`;
}

// At the end of a list, unless the user has scrolled away from it.
export function keepingEnd(scroller, change) {
  const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40;
  change();
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
}
