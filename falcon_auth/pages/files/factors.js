// Second factors: authenticator apps, passkeys and recovery codes.

import { callConfirmed, factorsOfUser } from "./confirm.js";
import { ask, close, open } from "./dialogs.js";
import { onPress, onSubmit, reset } from "./form.js";
import { ASK, SAID, WORDS, ago, day, deviceOf } from "./home_words.js";
import { load } from "./lists.js";
import { save } from "./own_data.js";
import { makePasskey } from "./passkeys.js";
import { byId, fill, say, when } from "./views.js";

let newApp = null; // The app that is being added: id and name.

/** Load the lists of factors, where the service has them. */
export async function showFactors() {
  if (!byId("apps")) return;
  const overview = factorsOfUser();
  const ofKind = (kind) => async () => (await overview).factors.filter((each) => each.kind === kind);
  await Promise.all([load("passkeys", ofKind("passkey"), rowOf), load("apps", ofKind("totp"), rowOf)]);
  const { factors, recovery_codes_left } = await overview;
  when("has-factors", factors.length > 0);
  fill("codes-left", WORDS.codesLeft(recovery_codes_left));
}

function rowOf({ id, kind, name, created_at, last_used_at }) {
  const remove = () =>
    ask(...ASK.removeFactor(name), async () => {
      await callConfirmed("DELETE", `auth/factors/${id}`);
      await showFactors();
      say(SAID.removed(name));
    });
  return {
    icon: kind === "totp" ? "phone" : "key",
    title: name,
    about: `${WORDS.added(day(created_at))} · ${last_used_at ? WORDS.lastUsed(ago(last_used_at)) : WORDS.neverUsed}`,
    action: { label: WORDS.remove, name: WORDS.removeNamed(name), act: remove },
  };
}

async function added(name, { recovery_codes }) {
  await showFactors();
  say(SAID.added(name));
  if (recovery_codes) showCodes(recovery_codes);
}

function showCodes(codes) {
  byId("code-list").replaceChildren(
    ...codes.map((code) => {
      const item = document.createElement("li");
      item.textContent = code;
      return item;
    }),
  );
  open("codes");
}

byId("add-app")?.addEventListener("click", () => {
  reset("app-name");
  byId("app-name-name").value = WORDS.app;
  when("app-unnamed", true);
  when("app-named", false);
  open("app");
});
onSubmit("app-name", async ({ name }) => {
  const { id, secret, uri, qr } = await callConfirmed("POST", "auth/factors/totp", { name });
  newApp = { id, name };
  reset("app-form");
  byId("app-qr").src = qr;
  fill("app-secret", secret.match(/.{1,4}/g).join(" "));
  byId("app-uri").href = uri;
  when("app-unnamed", false);
  when("app-named", true);
  byId("app-form-code").focus();
});
onSubmit("app-form", async ({ code }) => {
  const answer = await callConfirmed("POST", `auth/factors/totp/${newApp.id}/confirm`, { code: code.replaceAll(" ", "") });
  close("app");
  await added(newApp.name, answer);
}, { FACTOR_INVALID: "code" });

byId("add-passkey")?.addEventListener("click", () => {
  reset("passkey-form");
  byId("passkey-form-name").value = deviceOf(navigator.userAgent).name;
  open("passkey");
});
onSubmit("passkey-form", async ({ name }) => {
  const options = await callConfirmed("POST", "auth/factors/passkeys/options");
  const credential = await makePasskey(options);
  const answer = await callConfirmed("POST", "auth/factors/passkeys", { name, credential });
  close("passkey");
  await added(name, answer);
});

onPress(byId("new-codes"), byId("apps-message"), () =>
  ask(...ASK.newCodes, async () => {
    const { recovery_codes } = await callConfirmed("POST", "auth/factors/recovery-codes");
    await showFactors();
    showCodes(recovery_codes);
  }),
);

onSubmit("codes-form", () => {
  close("codes");
  byId("code-list").replaceChildren();
});
byId("codes")?.addEventListener("cancel", (event) => event.preventDefault()); // Escape: they are shown only now.
byId("save-codes")?.addEventListener("click", () => save("recovery-codes.txt", `${listedCodes()}\n`, "text/plain"));
for (const button of document.querySelectorAll("[data-copy]")) {
  onPress(button, byId(`${button.closest("dialog").id}-message`), async () => {
    await navigator.clipboard.writeText(button.dataset.copy === "code-list" ? listedCodes() : byId("app-secret").textContent.replaceAll(" ", ""));
    button.textContent = WORDS.copied;
  });
}

const listedCodes = () => [...byId("code-list").children].map((each) => each.textContent).join("\n");
