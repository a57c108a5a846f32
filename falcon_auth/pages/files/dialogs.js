// Dialogues: the browser keeps the focus in them, and gives it back when they close.

import { Refusal } from "./api.js";
import { CANCELLED, onSubmit, tell } from "./form.js";
import { byId, fill } from "./views.js";

const cancels = new Map(); // What to do when a dialogue is left, by its id.

/** Open a dialogue; `cancel` is called when it is left without `close`. */
export function open(id, cancel = () => {}) {
  cancels.set(id, cancel);
  byId(id).showModal();
}

/** Close a dialogue whose purpose is fulfilled. */
export function close(id) {
  cancels.delete(id);
  byId(id).close();
}

/** Ask before something that cannot be undone; then `act`. Refusals are told in the dialogue. */
export async function ask(title, why, button, act) {
  fill("ask-why", why);
  fill("ask-button", button);
  byId("ask-title").textContent = title;
  tell(byId("ask-form"), "");
  await new Promise((resolve, reject) => {
    asked = async () => {
      await act();
      close("ask");
      resolve();
    };
    open("ask", () => reject(new Refusal(CANCELLED)));
  });
}

let asked = null;
onSubmit("ask-form", () => asked());

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    cancels.get(dialog.id)?.();
    cancels.delete(dialog.id);
  });
}
