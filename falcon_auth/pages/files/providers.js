// Log-in by accounts elsewhere. The way there is a link; the way back has a fragment with what came of it.

import { API, call } from "./api.js";
import { byId, when } from "./views.js";

const BACK = ["code", "error", "link"];

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
      const link = document.createElement("a");
      link.className = "button quiet";
      link.href = new URL(`auth/providers/${encodeURIComponent(name)}/login`, API);
      link.textContent = `Continue with ${title}`;
      return link;
    }),
  );
}
