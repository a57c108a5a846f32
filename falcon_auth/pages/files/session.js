// The user's session in this browser, one for all tabs. The refresh token is in a cookie that no script can
// read; the access token is in a variable of each tab. One tab at a time changes the cookie (Web Locks).

import { Refusal, call } from "./api.js";

const MARGIN_MS = 30_000; // An access token with less than that left is renewed first.
const OVER = ["MISSING_TOKEN", "TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_REUSED", "TOKEN_REVOKED"];

// The tabs tell each other of a log-in, a new access token and a log-out: {current, reason}.
const tabs = new BroadcastChannel("falcon-auth.session");
let current = null; // {token, renewAt, user}: user is the id. Null where nobody is known to be logged in.
let tellEnd = () => {};

tabs.onmessage = ({ data }) => {
  const isAnother = current !== null && current.user !== data.current?.user;
  current = data.current;
  if (isAnother) tellEnd(data.reason ?? "SESSION_OVER");
};

/** Whether a refusal says that a token is of no use. */
export const isOver = (error) => OVER.includes(error.code);

/** Have `listener` called with the reason when the session is over without a log-out in this tab. */
export function onEnd(listener) {
  tellEnd = listener;
}

/** Log in: send a request that is answered with tokens. Resolves to the answer, for adopt(). */
export const requestTokens = (path, body) =>
  alone(() => call("POST", path, { body: { ...body, session: "cookie" } }));

/** Begin the session that requestTokens() was answered with. Returns the user. */
export function adopt(tokens) {
  publish(tokens, tokens.user.id);
  return tokens.user;
}

/** Keep the new access token of a step-up. */
export const keep = (token) => publish(token, current.user);

/** End the session, in all tabs. If the service cannot be reached, rejects with a Refusal. */
export const logOut = () =>
  alone(async () => {
    await call("POST", "auth/logout", { body: {} }).catch(unlessOver);
    tell(null);
  });

/** Forget the session, which has been ended; `reason` is a code that says why. */
export function endSession(reason) {
  tell(null, reason);
  tellEnd(reason);
}

/** Send one request as the user. Rejects with a Refusal: SESSION_OVER where the session is. */
export async function callAsUser(method, path, body) {
  try {
    return await send(method, path, body);
  } catch (error) {
    if (!isOver(error) || current !== null) throw error;
    tellEnd("SESSION_OVER");
    throw new Refusal("SESSION_OVER");
  }
}

/** Return the user; null where there is none, or the session is over. */
export async function currentUser() {
  try {
    return await send("GET", "protected/profile");
  } catch (error) {
    unlessOver(error);
    return null;
  }
}

async function send(method, path, body) {
  if (current === null || Date.now() > current.renewAt) await renew(current);
  const used = current;
  try {
    return await call(method, path, { body, token: used.token });
  } catch (error) {
    unlessOver(error);
    await renew(used); // The device slept. Where the session is over, this rejects.
    if (current.user !== used.user) throw error; // Somebody else has logged in meanwhile.
    return await call(method, path, { body, token: current.token });
  }
}

// Get another access token than `used`, unless another tab has done so meanwhile.
const renew = (used) =>
  alone(async () => {
    if (current !== used) {
      if (current === null) throw new Refusal("MISSING_TOKEN");
      return;
    }
    try {
      const tokens = await call("POST", "auth/refresh", { body: {} });
      publish(tokens, tokens.user.id);
    } catch (error) {
      if (isOver(error)) tell(null); // Anything else may pass.
      throw error;
    }
  });

const alone = (work) => navigator.locks.request("falcon-auth.session", work);

function publish({ access_token, expires_in }, user) {
  // By this device's own clock, which need not agree with the service's.
  tell({ token: access_token, renewAt: Date.now() + expires_in * 1000 - MARGIN_MS, user });
}

function tell(next, reason) {
  current = next;
  tabs.postMessage({ current, reason });
}

function unlessOver(error) {
  if (!isOver(error)) throw error;
}
