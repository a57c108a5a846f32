// Accounts elsewhere that are linked to this one.

import { callConfirmed } from "./confirm.js";
import { ask } from "./dialogs.js";
import { onPress } from "./form.js";
import { ASK, SAID, WORDS, ago, day } from "./home_words.js";
import { load } from "./lists.js";
import { findProviders } from "./providers.js";
import { callAsUser } from "./session.js";
import { byId, say } from "./views.js";
import { sentenceOf } from "./words.js";

let providers = [];
const titleOf = (name) => providers.find((each) => each.name === name)?.title ?? name;

/** Load the linked accounts, and a button for each provider that can be linked. */
export async function showIdentities() {
  if (!byId("identities")) return;
  providers = await findProviders();
  await load("identities", async () => (await callAsUser("GET", "auth/identities")).identities, rowOf);
  byId("linkable").replaceChildren(
    ...providers.map(({ name, title }) => {
      const button = document.createElement("button");
      button.className = "button quiet small";
      button.type = "button";
      button.textContent = WORDS.link(title);
      onPress(button, byId("identities-message"), async () => {
        // It comes back to these pages, as it does where it is told nothing else.
        const { url } = await callConfirmed("POST", `auth/identities/${encodeURIComponent(name)}`, {});
        location.assign(url);
      });
      return button;
    }),
  );
}

/** Link the account that the user has come back from, and show how that went. */
export async function finishLink(link, error) {
  location.hash = "security";
  const message = byId("identities-message");
  try {
    if (error) throw { code: error };
    const { provider } = await callAsUser("POST", "auth/identities", { link });
    await showIdentities();
    say(SAID.linked(titleOf(provider)));
  } catch (refusal) {
    message.textContent = sentenceOf(refusal);
  }
}

function rowOf({ id, provider, email, created_at, last_used_at }) {
  const title = titleOf(provider);
  const unlink = () =>
    ask(...ASK.unlink(title), async () => {
      await callConfirmed("DELETE", `auth/identities/${id}`);
      await showIdentities();
      say(SAID.removed(title));
    });
  return {
    icon: "link",
    title,
    about: [email, last_used_at ? WORDS.lastUsed(ago(last_used_at)) : WORDS.added(day(created_at))].filter(Boolean).join(" · "),
    action: { label: WORDS.unlink, name: WORDS.unlinkNamed(title), act: unlink },
  };
}
