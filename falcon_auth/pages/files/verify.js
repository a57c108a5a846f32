// Confirms an address: by the link and the password, or by the link and the session of this tab.

import { call } from "./api.js";
import { onSubmit, reset, tell } from "./form.js";
import { forgetLink, linkToken, whyDead, whyMissing } from "./link.js";
import { logIn } from "./login.js";
import { callAsUser, currentUser } from "./session.js";
import { byId, fill, show, when } from "./views.js";

const ANOTHER_USER =
  "This mail was sent for a different account from the one that you are logged in to. Enter the password of that account.";

let user = null; // Of this tab's session, where that can confirm the address.

function setUser(found) {
  user = found;
  fill("email", user?.email ?? "");
  when("session", user !== null);
  when("no-session", user === null);
}

function askForPassword(why) {
  setUser(null);
  byId("verify-password").focus();
  tell(byId("verify"), why);
}

function finish() {
  forgetLink();
  reset("verify");
  show("done");
}

function giveUp(reason) {
  if (user?.email_verified) {
    finish(); // The address is verified, so the link is no longer needed.
    return;
  }
  forgetLink();
  fill("reason", reason);
  show("dead");
}

async function confirm({ password }) {
  const token = linkToken();
  try {
    if (user !== null) await callAsUser("POST", "auth/email/verify", { token });
    else await call("POST", "auth/email/verify", { body: { token, password } });
    finish();
  } catch (error) {
    if (user !== null && error.code === "STEP_UP_REQUIRED") {
      askForPassword(ANOTHER_USER);
      return;
    }
    if (error.code === "SESSION_OVER") {
      askForPassword("");
      return;
    }
    const reason = whyDead(error);
    if (reason === null) throw error;
    setUser(await currentUser()); // Its address may have been confirmed meanwhile.
    giveUp(reason);
  }
}

async function sendAgain() {
  await callAsUser("POST", "auth/email/verification");
  show("sent");
}

onSubmit("verify", confirm, { INVALID_CREDENTIALS: "password" });
onSubmit("again", sendAgain);
onSubmit("login-again", async ({ email, password }) => {
  setUser(await logIn(email, password));
  reset("login-again");
  if (user.email_verified) finish();
  else await sendAgain();
});

setUser(await currentUser().catch(() => null));
if (linkToken() === null) giveUp(whyMissing());
else show("ask");
