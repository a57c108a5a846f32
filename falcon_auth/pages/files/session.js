// The session of this tab. Its tokens are in the tab's sessionStorage: they survive a reload, end
// with the tab, and no other tab sees them.

import { Refusal, call } from "./api.js";

const KEY = "falcon-auth.session";
const MARGIN_MS = 30_000; // An access token with less than that left is renewed first.

let renewal = null; // While one runs: two calls at once must not spend the token twice.

const load = () => JSON.parse(sessionStorage.getItem(KEY));

function keep({ access_token, refresh_token, expires_in }) {
  // By this device's own clock, which need not agree with the service's.
  const renewAt = Date.now() + expires_in * 1000 - MARGIN_MS;
  sessionStorage.setItem(KEY, JSON.stringify({ access_token, refresh_token, renewAt }));
}

const forget = () => sessionStorage.removeItem(KEY);

/** Whether this tab has tokens; the service may have ended their session meanwhile. */
export const hasSession = () => load() !== null;

/** Log in. Resolves to the user; rejects with a Refusal. An earlier session of this tab ends. */
export async function logIn(email, password) {
  const tokens = await call("POST", "auth/login", { body: { email, password } });
  const former = load();
  keep(tokens);
  if (former !== null) {
    await call("POST", "auth/logout", { body: { refresh_token: former.refresh_token } }).catch(ignore);
  }
  return tokens.user;
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

/** Send one request as the user of this tab. Rejects with a Refusal. */
export async function callAsUser(method, path, body) {
  try {
    return await call(method, path, { body, token: await accessToken() });
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "TOKEN_EXPIRED") throw error;
    // The device slept, or its clock was set back.
    return await call(method, path, { body, token: await renew() });
  }
}

/** Return the user of this tab; null where there is none, or the session is over. */
export async function currentUser() {
  if (!hasSession()) return null;
  try {
    return await callAsUser("GET", "protected/profile");
  } catch (error) {
    if (!isOver(error)) throw error;
    forget();
    return null;
  }
}

async function accessToken() {
  const session = load();
  if (session === null) throw new Refusal(401, "MISSING_TOKEN");
  return Date.now() < session.renewAt ? session.access_token : await renew();
}

function renew() {
  renewal ??= (async () => {
    try {
      const { refresh_token } = load() ?? {};
      if (!refresh_token) throw new Refusal(401, "MISSING_TOKEN");
      const tokens = await call("POST", "auth/refresh", { body: { refresh_token } });
      keep(tokens);
      return tokens.access_token;
    } finally {
      renewal = null;
    }
  })();
  return renewal;
}

function isOver(error) {
  return error instanceof Refusal && error.status === 401;
}

function ignore() {
  // The former session ends by itself.
}
