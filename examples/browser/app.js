// The page: a log-in form, and an account with its sessions. All about tokens is in session.js.

import { callAsUser, logIn, logOut, onUser, resume } from "./session.js";

const $ = (id) => document.getElementById(id);
const form = $("log-in");
let challenge = null; // Of a right password, while the second factor is asked for.

onUser(show);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { email, password, code } = Object.fromEntries(new FormData(form));
  attempt(() => logIn(challenge ? { challenge, code } : { email, password }));
});
$("log-out").addEventListener("click", () => attempt(logOut));
$("show-sessions").addEventListener("click", () => attempt(showSessions));

await attempt(resume);
if ($("account").hidden) show(null);

function show(user) {
  askForCode(null);
  form.reset();
  form.hidden = user !== null;
  $("account").hidden = user === null;
  $("sessions").replaceChildren();
  $("name").textContent = user && (user.username ?? user.email);
}

async function showSessions() {
  const { sessions } = await callAsUser("/api/v1/auth/sessions");
  const lines = sessions.map(({ last_used_at, user_agent, current }) => {
    const line = document.createElement("li"); // Text, never HTML: a user agent may say anything.
    line.textContent = `${last_used_at} ${user_agent ?? ""}${current ? " (this browser)" : ""}`;
    return line;
  });
  $("sessions").replaceChildren(...lines);
}

function askForCode(given) {
  challenge = given;
  $("second").hidden = given === null;
}

/** Do something, and tell the user if it was refused. */
async function attempt(action) {
  $("message").textContent = "";
  try {
    await action();
  } catch (error) {
    if (error.code === "SECOND_FACTOR_REQUIRED") return askForCode(error.challenge);
    if (error.code !== "FACTOR_INVALID") askForCode(null); // Begin again with the password.
    $("message").textContent = error.message;
  }
}
