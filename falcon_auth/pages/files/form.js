// Forms: what the browser finds wrong, and what the service does, is said at the field it is about.

import { Refusal, UNEXPECTED } from "./api.js";
import { sentenceOf } from "./sentences.js";

/**
 * Have a form sent by `send`, which gets its fields by name and may reject with a Refusal.
 * `blame` names the field that a code is about, where the refusal does not.
 */
export function onSubmit(id, send, blame = {}) {
  const form = document.getElementById(id);
  form.noValidate = true; // The same checks, told in the page instead of in bubbles that vanish.
  for (const button of form.querySelectorAll(".reveal")) button.addEventListener("click", reveal);
  form.addEventListener("input", ({ target }) => tellFault(target, ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    tell(form, "");
    if (!checkFields(form)) return;
    form.setAttribute("aria-busy", "true");
    try {
      await send(Object.fromEntries(new FormData(form)));
    } catch (error) {
      tellRefusal(form, error, blame);
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
}

/** Say something about a form as a whole; screen readers read it out. */
export function tell(form, sentence) {
  form.querySelector(".message").textContent = sentence;
}

/** Empty the fields of a form, so that no password stays in a view that is left. */
export function reset(id) {
  const form = document.getElementById(id);
  form.reset();
  tell(form, "");
  for (const field of fieldsOf(form)) tellFault(field, "");
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
  const refusal = error instanceof Refusal ? error : { code: UNEXPECTED, errors: [] };
  const faulty = [];
  for (const { pointer, detail } of refusal.errors) {
    const field = form.elements[pointer.slice(1)];
    if (!field) continue;
    tellFault(field, detail);
    faulty.push(field);
  }
  const blamed = form.elements[blame[refusal.code]];
  if (blamed) {
    tellFault(blamed, sentenceOf(refusal));
    faulty.push(blamed);
  }
  if (faulty.length === 0) tell(form, sentenceOf(refusal));
  faulty[0]?.focus();
  if (!(error instanceof Refusal)) throw error; // A fault of this page, which the console should show.
}

function tellFault(field, sentence) {
  const place = document.getElementById(`${field.id}-fault`);
  if (!place) return;
  place.textContent = sentence;
  field.removeAttribute("aria-invalid");
  const others = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== place.id);
  if (sentence) {
    field.setAttribute("aria-invalid", "true");
    others.unshift(place.id);
  }
  if (others.length > 0) field.setAttribute("aria-describedby", others.join(" "));
  else field.removeAttribute("aria-describedby");
}

function reveal({ currentTarget: button }) {
  const field = document.getElementById(button.getAttribute("aria-controls"));
  const willShow = field.type === "password";
  field.type = willShow ? "text" : "password";
  button.textContent = willShow ? "Hide" : "Show";
  button.setAttribute("aria-label", `${button.textContent} password`);
}
