// The account: who is logged out sees the ways in, who is logged in their account.

import { Refusal, call } from "./api.js";
import { onSubmit, reset, tell } from "./form.js";
import { logIn, logInByAutofill, logInByExchange, logInByPasskey } from "./login.js";
import { hasPasskeys } from "./passkeys.js";
import { providersReturn, showProviders } from "./providers.js";
import { adopt, currentUser, logOut, onEnd, requestTokens } from "./session.js";
import { byId, fill, show, shown, when } from "./views.js";
import { sentenceOf } from "./words.js";

const FORMS = ["login", "register", "forgot"];
let home = null; // The module of the signed-in area, loaded for who is logged in.
const fragment = () => location.hash.slice(1);

async function enter(user) {
  home ??= await import("./home.js").catch(() => {
    throw new Refusal("UNREACHABLE");
  });
  for (const form of FORMS) if (byId(form)) reset(form);
  byId("left").textContent = "";
  if (FORMS.includes(fragment())) history.replaceState(null, "", location.pathname + location.search);
  home.showHome(user);
  home.showSection(fragment());
}

function showLoggedOut() {
  const asked = fragment();
  show(FORMS.includes(asked) && byId(asked) ? asked : "login");
  if (shown() === "login") offerAutofill();
}

async function offerAutofill() {
  try {
    const user = await logInByAutofill();
    if (user !== null) await enter(user);
  } catch (error) {
    tell(byId("login"), sentenceOf(error));
  }
}

function leave(why = "") {
  home?.hideHome();
  history.replaceState(null, "", location.pathname + location.search);
  showLoggedOut();
  byId("left").textContent = why;
}

async function start() {
  const { code, error, link } = providersReturn;
  try {
    if (code) return enter(await logInByExchange(code));
    const user = await currentUser();
    if (user === null) showLoggedOut();
    else await enter(user);
    if ((link || error) && user !== null) await home.finishLink(link, error);
    else if (error) tell(byId("login"), sentenceOf({ code: error }));
  } catch (refusal) {
    if (refusal.status > 0 && refusal.status < 500) {
      showLoggedOut();
      tell(byId("login"), sentenceOf(refusal));
      return;
    }
    tell(byId("retry"), sentenceOf(refusal));
    show("unreachable");
  }
}

onSubmit("login", async ({ email, password }) => enter(await logIn(email, password)));
onSubmit("passkey-login", async () => enter(await logInByPasskey()));
onSubmit("register", async ({ email, password }) => {
  const answer = await requestTokens("auth/register", { email, password });
  if (answer.access_token) return enter(adopt(answer));
  reset("register"); // The address has to be confirmed first.
  fill("email", email);
  show("registered");
});
onSubmit("forgot", async ({ email }) => {
  await call("POST", "auth/password/forgot", { body: { email } });
  fill("email", email);
  show("sent");
});
onSubmit("retry", start);
onSubmit("logout", async () => {
  await logOut();
  leave();
});
onEnd((code) => leave(sentenceOf({ code })));
addEventListener("hashchange", () => {
  if (shown() === "home") home.showSection(fragment());
  else showLoggedOut();
});

when("passkeys", hasPasskeys());
when("no-passkeys", !hasPasskeys());
when("other-ways", hasPasskeys());
showProviders();
await start();
