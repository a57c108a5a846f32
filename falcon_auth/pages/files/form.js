// Forms and buttons: what is wrong is said at the field it is about, by the browser's checks and the service's.

import { Refusal } from "./api.js";
import { byId } from "./views.js";
import { sentenceOf } from "./words.js";

/** Rejects what was given up by the user; nothing is said about it. */
export const CANCELLED = "CANCELLED";

/**
 * Have a form sent by `send`, which gets its fields by name and may reject with a Refusal.
 * `blame` names the field that a code is about, where the refusal does not.
 * A form that this page does not have is passed over: what it is for is switched off.
 */
export function onSubmit(id, send, blame = {}) {
  const form = byId(id);
  if (!form) return;
  addPlaces(form);
  form.noValidate = true; // The same checks, told in the page instead of in bubbles that vanish.
  for (const button of form.querySelectorAll(".reveal")) button.addEventListener("click", reveal);
  form.addEventListener("input", ({ target }) => tellFault(target, ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    tell(form, "");
    if (!checkFields(form)) return;
    await busily(form, () => send(Object.fromEntries(new FormData(form))), (error) => tellRefusal(form, error, blame));
  });
}

/** Have a button do something that may reject with a Refusal, which is told in the element `place`. */
export function onPress(button, place, act) {
  button?.addEventListener("click", () => {
    place.textContent = "";
    return busily(button, act, (error) => {
      place.textContent = sentenceOf(error);
    });
  });
}

/** Say something about a form as a whole; screen readers read it out. */
export function tell(form, sentence) {
  form.querySelector(".message").textContent = sentence;
}

/** Empty the fields of a form, so that no password stays in a view that is left. */
export function reset(id) {
  const form = byId(id);
  form.reset();
  tell(form, "");
  for (const field of fieldsOf(form)) tellFault(field, "");
  for (const button of form.querySelectorAll(".reveal")) conceal(button);
}

// What is pressed twice at once is done once.
async function busily(element, act, fail) {
  if (element.getAttribute("aria-busy") === "true") return;
  element.setAttribute("aria-busy", "true");
  try {
    await act();
  } catch (error) {
    if (error.code !== CANCELLED) fail(error);
    if (!(error instanceof Refusal)) throw error; // A fault of this page, which the console should show.
  } finally {
    element.removeAttribute("aria-busy");
  }
}

// They are there before they say something, or screen readers would not read it out.
function addPlaces(form) {
  const message = document.createElement("div");
  message.className = "message";
  message.role = "alert";
  form.prepend(message);
  for (const input of form.querySelectorAll("input[id]")) {
    const fault = document.createElement("p");
    fault.className = "fault";
    fault.id = `${input.id}-fault`;
    input.closest(".field").append(fault);
  }
}

const fieldsOf = (form) => [...form.elements].filter((each) => each.name && !each.closest("[hidden]"));

function checkFields(form) {
  const faulty = fieldsOf(form).filter((field) => {
    tellFault(field, field.validationMessage);
    return !field.validity.valid;
  });
  faulty[0]?.focus();
  return faulty.length === 0;
}

function tellRefusal(form, error, blame) {
  const faults = (error.problem?.errors ?? []).map(({ pointer, detail }) => [pointer.slice(1), detail]);
  if (error.code in blame) faults.push([blame[error.code], sentenceOf(error)]);
  const faulty = faults.filter(([name, sentence]) => tellFault(form.elements[name], sentence));
  if (faulty.length === 0) tell(form, sentenceOf(error));
  else form.elements[faulty[0][0]].focus();
}

// Return whether there is a place to tell it.
function tellFault(field, sentence) {
  const place = field && byId(`${field.id}-fault`);
  if (!place) return false;
  place.textContent = sentence;
  field.removeAttribute("aria-invalid");
  const others = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== place.id);
  if (sentence) {
    field.setAttribute("aria-invalid", "true");
    others.unshift(place.id);
  }
  if (others.length > 0) field.setAttribute("aria-describedby", others.join(" "));
  else field.removeAttribute("aria-describedby");
  return true;
}

function reveal({ currentTarget: button }) {
  conceal(button, byId(button.getAttribute("aria-controls")).type === "text");
}

function conceal(button, isHidden = true) {
  byId(button.getAttribute("aria-controls")).type = isHidden ? "password" : "text";
  button.textContent = isHidden ? "Show" : "Hide";
  button.setAttribute("aria-label", `${button.textContent} password`);
}
