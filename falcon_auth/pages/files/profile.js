// The profile: address, user name, and since when.

import { callConfirmed } from "./confirm.js";
import { onSubmit, reset } from "./form.js";
import { SAID, WORDS, day, moment } from "./home_words.js";
import { callAsUser } from "./session.js";
import { byId, fill, say, when } from "./views.js";

/** Show what is known of the user. */
export function showProfile(user) {
  fill("email", user.email);
  when("verified", user.email_verified);
  when("unverified", !user.email_verified);
  byId("rename-username").value = user.username ?? "";
  fill("username", user.username ?? WORDS.none);
  fill("created", day(user.created_at));
  when("last-login", user.last_login_at !== null);
  if (user.last_login_at !== null) fill("last-login", moment(user.last_login_at));
}

function fold(form) {
  reset(form);
  byId(form).closest("details").open = false;
}

onSubmit("resend", async () => {
  await callAsUser("POST", "auth/email/verification");
  say(SAID.verificationSent);
});
onSubmit("change-address", async ({ new_email }) => {
  await callConfirmed("POST", "auth/email/change", { new_email });
  fold("change-address");
  say(SAID.changeSent(new_email));
});
onSubmit("rename", async ({ username }) => {
  showProfile(await callAsUser("PATCH", "auth/account", { username: username || null }));
  byId("rename").closest("details").open = false;
  say(SAID.renamed);
}, { DUPLICATE_USERNAME: "username" });
onSubmit("change-password", async ({ current_password, new_password }) => {
  await callAsUser("PUT", "auth/password", { current_password, new_password });
  fold("change-password");
  say(SAID.passwordChanged);
}, { INVALID_CREDENTIALS: "current_password" });
