// Confirms a change of address, by the link that went to the new one.

import { call } from "./api.js";
import { onSubmit, reset } from "./form.js";
import { forgetLink, linkToken, whyDead, whyMissing } from "./link.js";
import { logIn } from "./login.js";
import { callAsUser } from "./session.js";
import { fill, show } from "./views.js";

const REASONS = {
  DUPLICATE_EMAIL: "Another account has taken the new address meanwhile. Choose another one.",
  TOKEN_REVOKED:
    "It has been used already, or the password or the address of the account has changed since, or the device that asked for it was logged out.",
};

function giveUp(reason) {
  forgetLink();
  fill("reason", reason);
  show("dead");
}

function whyUseless(error) {
  return REASONS[error.code] ?? whyDead(error);
}

onSubmit("confirm", async () => {
  try {
    await call("POST", "auth/email/change/confirm", { body: { token: linkToken() } });
  } catch (error) {
    const reason = whyUseless(error);
    if (reason === null) throw error;
    giveUp(reason);
    return;
  }
  forgetLink();
  show("done");
});

onSubmit("again", async ({ email, password, new_email }) => {
  await logIn(email, password); // A change of address asks for a recent log-in.
  await callAsUser("POST", "auth/email/change", { new_email });
  reset("again");
  fill("email", new_email);
  show("sent");
});

if (linkToken() === null) giveUp(whyMissing());
else show("ask");
