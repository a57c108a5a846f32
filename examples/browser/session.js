// The user's session in this browser: one for all tabs. The refresh token is in a cookie that no
// script can read; the access token is in a variable of each tab, and nowhere else.

const SERVICE = document.querySelector('meta[name="service"]').content;
const MARGIN_MS = 30_000; // An access token with less than that left is renewed first.

// Each tab tells the others of a log-in, a new access token, or a log-out (null).
const tabs = new BroadcastChannel("session");
const listeners = new Set();
let current = null; // {user, token, renewAt}, or null where nobody is logged in.

tabs.onmessage = ({ data }) => adopt(data);

/** Call *listener* with the user whenever there is another one, and with null after a log-out. */
export const onUser = (listener) => listeners.add(listener);

/** An error of the service, with its stable code, and `challenge` if it asks for a second factor. */
export class Refusal extends Error {
  constructor(status, { code = "UNEXPECTED", detail = "Something went wrong.", challenge } = {}) {
    super(detail);
    Object.assign(this, { status, code, challenge });
  }
}

/** Continue the session of the cookie, if there is one. Call it once, when the page loads. */
export const resume = () => renew(null).catch(unlessLoggedOut);

/** Log in, by `{email, password}` or, for the second factor, `{challenge, code}`. */
export function logIn(proof) {
  const path = "challenge" in proof ? "login/factor" : "login";
  return alone(async () => publish(await post(path, { ...proof, session: "cookie" })));
}

/** End the session, in all tabs. */
export const logOut = () =>
  alone(async () => {
    await post("logout", {}).catch(unlessLoggedOut);
    publish(null);
  });

/** Send a request to the service as the user. */
export async function callAsUser(path, { method = "GET", body } = {}) {
  if (current === null || Date.now() > current.renewAt) await renew(current);
  const used = current;
  try {
    return await send(path, { method, body, token: used?.token });
  } catch (error) {
    if (!error.code?.startsWith("TOKEN_")) throw error;
    await renew(used); // The token expired while the device slept; rejects if the session is over.
    if (current?.user.id !== used.user.id) throw error; // Somebody else has logged in meanwhile.
    return await send(path, { method, body, token: current.token });
  }
}

/** Get another access token than that of *used*, unless another tab has done so meanwhile. */
function renew(used) {
  return alone(async () => {
    if (current !== used) return;
    try {
      publish(await post("refresh", {}));
    } catch (error) {
      if (error.status === 401) publish(null); // The session is over; other errors may pass.
      throw error;
    }
  });
}

// Only one tab at a time changes the cookie. So a delayed response cannot replace a newer cookie by
// an older one, and tabs that wake up together send one request instead of ten.
const alone = (work) => navigator.locks.request("session", work);

function publish(tokens) {
  const next = tokens && {
    user: tokens.user,
    token: tokens.access_token,
    renewAt: Date.now() + tokens.expires_in * 1000 - MARGIN_MS, // By this device's own clock.
  };
  tabs.postMessage(next);
  adopt(next);
}

function adopt(next) {
  const isAnother = current?.user.id !== next?.user.id;
  current = next;
  if (isAnother) for (const listener of listeners) listener(next && next.user);
}

// A 401 means that nobody is logged in, which is no error where that is possible or wanted.
function unlessLoggedOut(error) {
  if (error.status !== 401) throw error;
}

const post = (path, body) => send(`/api/v1/auth/${path}`, { method: "POST", body });

async function send(path, { method, body, token }) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(new URL(path, SERVICE), {
    method,
    headers,
    body: body && JSON.stringify(body),
    credentials: "include", // The browser adds the cookie, on the paths that it is for.
  });
  const content = answer.status === 204 ? null : await answer.json().catch(() => undefined);
  if (!answer.ok) throw new Refusal(answer.status, content);
  return content;
}
