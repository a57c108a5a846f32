// Sets a password by the link of a reset or an invitation.

import { call } from "./api.js";
import { onSubmit, reset } from "./form.js";
import { forgetLink, linkToken, whyDead, whyMissing } from "./link.js";
import { fill, show } from "./views.js";

function giveUp(reason) {
  forgetLink();
  fill("reason", reason);
  show("dead");
}

onSubmit("password-form", async ({ new_password }) => {
  try {
    await call("POST", "auth/password/reset", { body: { token: linkToken(), new_password } });
  } catch (error) {
    const reason = whyDead(error);
    if (reason === null) throw error;
    giveUp(reason);
    return;
  }
  forgetLink();
  reset("password-form");
  show("done");
});

onSubmit("again", async ({ email }) => {
  await call("POST", "auth/password/forgot", { body: { email } });
  fill("email", email);
  show("sent");
});

if (linkToken() === null) giveUp(whyMissing());
else show("ask");
