// The session of this tab. Its tokens are in the tab's sessionStorage: they survive a reload, end
// with the tab, and no other tab sees them.

import { Refusal, call } from "./api.js";

const KEY = "falcon-auth.session";
const MARGIN_MS = 30_000; // An access token with less than that left is renewed first.
const OVER = ["MISSING_TOKEN", "TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_REUSED", "TOKEN_REVOKED"];

let renewal = null; // While one runs: two calls at once must not spend the token twice.
let tellEnd = () => {};

const load = () => JSON.parse(sessionStorage.getItem(KEY));
const forget = () => sessionStorage.removeItem(KEY);

/** Whether a refusal says that a token is of no use. */
export const isOver = (error) => OVER.includes(error.code);

/** Have `listener` called with the reason when the session is over without a log-out here. */
export function onEnd(listener) {
  tellEnd = listener;
}

/** Keep the tokens of a log-in or registration; an earlier session ends. Resolves to the user. */
export async function adopt(tokens) {
  const former = load();
  keep(tokens);
  if (former !== null) await call("POST", "auth/logout", { body: { refresh_token: former.refresh_token } }).catch(() => {});
  return tokens.user;
}

/** Keep tokens of the session; a step-up has no refresh token. */
export function keep({ access_token, refresh_token = load().refresh_token, expires_in }) {
  // By this device's own clock, which need not agree with the service's.
  const renewAt = Date.now() + expires_in * 1000 - MARGIN_MS;
  sessionStorage.setItem(KEY, JSON.stringify({ access_token, refresh_token, renewAt }));
}

/** End the session. If the service cannot be reached, keeps the session and rejects with a Refusal. */
export async function logOut() {
  const { refresh_token } = load() ?? {};
  try {
    if (refresh_token) await call("POST", "auth/logout", { body: { refresh_token } });
  } catch (error) {
    if (!isOver(error)) throw error;
  }
  forget();
}

/** Forget the session, which is over; `code` says why. */
export function endSession(code = "SESSION_OVER") {
  forget();
  tellEnd(code);
}

/** Send one request as the user. Rejects with a Refusal: SESSION_OVER where the session is. */
export async function callAsUser(method, path, body) {
  try {
    return await send(method, path, body);
  } catch (error) {
    // The token that a body holds may be the one that is wrong.
    if (!isOver(error) || (await currentUser()) !== null) throw error;
    endSession();
    throw new Refusal("SESSION_OVER");
  }
}

/** Return the user; null where there is none, or the session is over. */
export async function currentUser() {
  if (load() === null) return null;
  try {
    return await send("GET", "protected/profile");
  } catch (error) {
    if (!isOver(error)) throw error;
    forget();
    return null;
  }
}

async function send(method, path, body) {
  try {
    return await call(method, path, { body, token: await accessToken() });
  } catch (error) {
    if (error.code !== "TOKEN_EXPIRED") throw error;
    // The device slept, or its clock was set back.
    return await call(method, path, { body, token: await renew() });
  }
}

async function accessToken() {
  const session = load();
  if (session === null) throw new Refusal("MISSING_TOKEN");
  return Date.now() < session.renewAt ? session.access_token : await renew();
}

function renew() {
  renewal ??= (async () => {
    try {
      const { refresh_token } = load() ?? {};
      if (!refresh_token) throw new Refusal("MISSING_TOKEN");
      const tokens = await call("POST", "auth/refresh", { body: { refresh_token } });
      keep(tokens);
      return tokens.access_token;
    } finally {
      renewal = null;
    }
  })();
  return renewal;
}
