// Lists of what the service keeps, one row an entry, with what is said while they load, fail or are empty.

import { onPress } from "./form.js";
import { byId } from "./views.js";
import { sentenceOf } from "./words.js";

/**
 * Load a list. `fetchItems` resolves to its entries, `rowOf` says what the row of one shows: icon, title, badge,
 * about, and an action with label, name (for those who hear the label without the row) and act.
 */
export async function load(id, fetchItems, rowOf) {
  const list = byId(id);
  const message = byId(`${id}-message`);
  message.textContent = "";
  list.setAttribute("aria-busy", "true");
  try {
    const items = await fetchItems();
    list.replaceChildren();
    append(id, items, rowOf);
    byId(`${id}-empty`).hidden = items.length > 0;
  } catch (error) {
    message.textContent = sentenceOf(error);
  } finally {
    list.removeAttribute("aria-busy");
  }
}

/** Add rows at the end of a list. */
export function append(id, items, rowOf) {
  byId(id).append(...items.map((item) => row(rowOf(item), byId(`${id}-message`))));
}

function row({ icon, title, badge, about, action }, message) {
  const item = byId("row").content.cloneNode(true).firstElementChild;
  item.querySelector("use").setAttribute("href", `files/icons.svg#${icon}`);
  item.querySelector(".row-title").textContent = title;
  item.querySelector(".row-about").textContent = about;
  if (badge) {
    const mark = document.createElement("span");
    mark.className = "badge good";
    mark.textContent = badge;
    item.querySelector(".row-title").append(" ", mark);
  }
  const button = item.querySelector("button");
  if (!action) button.remove();
  else {
    button.textContent = action.label;
    button.setAttribute("aria-label", action.name);
    onPress(button, message, action.act);
  }
  return item;
}
