// A page shows one view at a time: the element with that `data-view`.

const views = [...document.querySelectorAll("[data-view]")];
const service = document.querySelector(".brand").textContent.trim();
let isFirst = true;

/** Show one view. Its heading names the page and takes the focus, so that it is read out. */
export function show(name) {
  for (const view of views) view.hidden = view.dataset.view !== name;
  const heading = document.querySelector(`[data-view="${name}"] h1`);
  document.title = `${heading.textContent} – ${service}`;
  // Not when the page opens, because a screen reader then begins at its top.
  if (!isFirst) heading.focus();
  isFirst = false;
}

/** Fill every element with that `data-text`. */
export function fill(name, text) {
  for (const each of document.querySelectorAll(`[data-text="${name}"]`)) each.textContent = text;
}

/** Show or hide every element with that `data-when`. */
export function when(name, isSo) {
  for (const each of document.querySelectorAll(`[data-when="${name}"]`)) each.hidden = !isSo;
}
