// The account: log in, see where one is, log out.

import { call } from "./api.js";
import { onSubmit, reset, tell } from "./form.js";
import { sentenceOf } from "./sentences.js";
import { callAsUser, currentUser, logIn, logOut } from "./session.js";
import { fill, show, when } from "./views.js";

const LOGGED_OUT_VIEWS = ["login", "forgot"];
const day = new Intl.DateTimeFormat("en", { dateStyle: "long" });
const moment = new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" });

function showHome(user) {
  fill("email", user.email);
  when("verified", user.email_verified);
  when("unverified", !user.email_verified);
  fill("username", user.username ?? "");
  when("username", user.username !== null);
  fill("created", day.format(new Date(user.created_at)));
  when("last-login", user.last_login_at !== null);
  if (user.last_login_at !== null) fill("last-login", moment.format(new Date(user.last_login_at)));
  show("home");
}

function showLoggedOut() {
  const asked = location.hash.slice(1);
  show(LOGGED_OUT_VIEWS.includes(asked) ? asked : "login");
}

function leave(why = "") {
  fill("email", ""); // What is hidden is there all the same.
  show("login");
  tell(document.getElementById("login-form"), why);
}

async function open() {
  try {
    const user = await currentUser();
    if (user === null) showLoggedOut();
    else showHome(user);
  } catch (error) {
    tell(document.getElementById("retry"), sentenceOf(error));
    show("unreachable");
  }
}

onSubmit("login-form", async ({ email, password }) => {
  const user = await logIn(email, password);
  reset("login-form");
  history.replaceState(null, "", location.pathname + location.search);
  showHome(user);
});
onSubmit("forgot-form", async ({ email }) => {
  await call("POST", "auth/password/forgot", { body: { email } });
  fill("email", email);
  show("sent");
});
onSubmit("retry", open);
onSubmit("logout", async () => {
  await logOut();
  leave();
});
onSubmit("resend", async () => {
  const notice = document.querySelector("#resend .notice");
  notice.textContent = "";
  try {
    await callAsUser("POST", "auth/email/verification");
  } catch (error) {
    if ((await currentUser()) !== null) throw error;
    leave(sentenceOf(error));
    return;
  }
  notice.textContent = "The mail is on its way. It may take a minute.";
});

addEventListener("hashchange", () => {
  if (document.querySelector('[data-view="home"]').hidden) showLoggedOut();
});
await open();
