// What is shown: one view of a page at a time, and texts that come from the service.

const service = document.querySelector(".brand").textContent.trim();
let isFirst = true;

/** Show the element with that `data-view` (or `data-section`) and hide its siblings. */
export function show(name, kind = "view") {
  for (const each of document.querySelectorAll(`[data-${kind}]`)) each.hidden = each.dataset[kind] !== name;
  const heading = document.querySelector(`[data-${kind}="${name}"] h1`);
  document.title = `${heading.textContent} – ${service}`;
  // A screen reader reads the heading out. Not when the page opens: it then begins at the top.
  if (!isFirst) heading.focus();
  isFirst = false;
}

/** Return the name of the view that is shown. */
export const shown = () => document.querySelector("[data-view]:not([hidden])")?.dataset.view;

/** Fill every element with that `data-text`; fields with that `data-value`. */
export function fill(name, text) {
  for (const each of document.querySelectorAll(`[data-text="${name}"]`)) each.textContent = text;
  for (const each of document.querySelectorAll(`[data-value="${name}"]`)) each.value = text;
}

/** Show or hide every element with that `data-when`. */
export function when(name, isSo) {
  for (const each of document.querySelectorAll(`[data-when="${name}"]`)) each.hidden = !isSo;
}

/** Tell in passing what has been done. */
export function say(sentence) {
  document.getElementById("said").textContent = sentence;
}

/** Return the element with that id. */
export const byId = (id) => document.getElementById(id);
