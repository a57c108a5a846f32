// Log-in by accounts elsewhere. The way there is a button; the way back has a fragment with what came of it.

import { API, call } from "./api.js";
import { byId, when } from "./views.js";

const BACK = ["code", "error", "link"];
const BEGAN = "falcon-auth.provider"; // Kept by a tab that began a log-in, until it comes back.

/** What a provider's answer led to: a code to log in with, a link to confirm, or an error's code. */
export const providersReturn = readFragment();

let asked = null;

/** Resolves to the providers, each with name and title; to none if they cannot be had. */
export function findProviders() {
  asked ??= call("GET", "auth/providers").then((answer) => answer.providers, () => []);
  return asked;
}

function readFragment() {
  const found = new URLSearchParams(location.hash.slice(1));
  const answer = Object.fromEntries(BACK.map((name) => [name, found.get(name)]));
  // A link can end in the code of whoever sent it: opening it must not log in to the sender's account.
  if (answer.code && !sessionStorage.getItem(BEGAN)) Object.assign(answer, { code: null, error: "PROVIDER_REFUSED" });
  sessionStorage.removeItem(BEGAN);
  // None of it stays in the address bar or the history.
  if (Object.values(answer).some(Boolean)) history.replaceState(null, "", location.pathname + location.search);
  return answer;
}

/** Show a button for each provider at the log-in. */
export async function showProviders() {
  if (!byId("providers")) return;
  const providers = await findProviders();
  if (providers.length > 0) when("other-ways", true);
  byId("providers").replaceChildren(
    ...providers.map(({ name, title }) => {
      const button = document.createElement("button");
      button.className = "button quiet";
      button.type = "button";
      button.textContent = `Continue with ${title}`;
      button.addEventListener("click", () => {
        sessionStorage.setItem(BEGAN, name);
        location.assign(new URL(`auth/providers/${encodeURIComponent(name)}/login`, API));
      });
      return button;
    }),
  );
}
