// The ways to log in, each of which may ask for a second factor in the view "factor".

import { Refusal, call } from "./api.js";
import { CANCELLED } from "./form.js";
import { stopWaiting, usePasskey, waitForPasskey } from "./passkeys.js";
import { offerProofs, onProof } from "./proofs.js";
import { adopt, isOver, requestTokens } from "./session.js";
import { byId, show, shown } from "./views.js";

let pending = null; // The log-in that lacks its factor: challenge, resolve, reject.

/** Log in by password. Resolves to the user; rejects with a Refusal, in the view where it began. */
export const logIn = (email, password) => open("auth/login", { email, password });

/** Log in by the code that came back from another service. */
export const logInByExchange = (code) => open("auth/providers/exchange", { code });

/** Log in by a passkey that the browser asks for. */
export async function logInByPasskey() {
  return await open("auth/passkey/login", { credential: await usePasskey(await askAnyPasskey()) });
}

/** Log in by a passkey that is chosen in the field; resolves to null if none is. */
export async function logInByAutofill() {
  const credential = await waitForPasskey(askAnyPasskey);
  return credential && (await open("auth/passkey/login", { credential }));
}

const askAnyPasskey = () => call("POST", "auth/passkey/options");

async function open(path, body) {
  let tokens;
  try {
    tokens = await requestTokens(path, body);
  } catch (error) {
    if (error.code !== "SECOND_FACTOR_REQUIRED") throw error;
    tokens = await askForFactor(error.problem);
  }
  stopWaiting();
  return adopt(tokens);
}

async function askForFactor({ challenge, factors }) {
  const before = shown();
  offerProofs("factor", factors);
  show("factor");
  try {
    return await new Promise((resolve, reject) => {
      pending = { challenge, resolve, reject };
    });
  } catch (error) {
    show(before);
    throw error;
  } finally {
    offerProofs("factor", []); // No code stays in a view that is left.
  }
}

async function finish(proof) {
  const { challenge, resolve, reject } = pending;
  try {
    resolve(await requestTokens("auth/login/factor", { challenge, ...proof }));
  } catch (error) {
    if (!isOver(error)) throw error;
    reject(new Refusal("CHALLENGE_OVER"));
  }
}

onProof("factor", finish, () =>
  call("POST", "auth/login/factor/options", { body: { challenge: pending.challenge } }),
);
byId("factor-back")?.addEventListener("click", () => pending.reject(new Refusal(CANCELLED)));
