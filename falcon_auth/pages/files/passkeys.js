// Passkeys: the browser's dialogues, with refusals that have sentences of their own.

import { Refusal } from "./api.js";
import { CANCELLED } from "./form.js";

const CODES = {
  InvalidStateError: "PASSKEY_KNOWN",
  NotAllowedError: "PASSKEY_CANCELLED",
  SecurityError: "PASSKEY_ELSEWHERE",
  TimeoutError: "PASSKEY_CANCELLED",
};
let autofill = null; // The AbortController of the request that waits for a choice in a field.

/** Whether this browser has passkeys, and speaks of them in JSON. */
export const hasPasskeys = () => Boolean(globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON);

/** Ask for one of the passkeys that the options name. Resolves to a `credential` for the API. */
export async function usePasskey(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return await ask("get", { publicKey }, options.timeout);
}

/** Make a passkey. Resolves to a `credential` for the API. */
export async function makePasskey(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return await ask("create", { publicKey }, options.timeout);
}

/**
 * Offer passkeys among what the browser fills into the log-in's field, until another request begins.
 * Resolves to a `credential` if one is chosen, else to null. `options` asks the service for a challenge.
 */
export async function waitForPasskey(options) {
  if (!hasPasskeys() || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return null;
  stopWaiting();
  autofill = new AbortController();
  const { signal } = autofill;
  try {
    const asked = await options();
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked);
    const lapsed = AbortSignal.any([signal, AbortSignal.timeout(asked.timeout)]);
    return (await navigator.credentials.get({ publicKey, mediation: "conditional", signal: lapsed })).toJSON();
  } catch {
    return null; // Not offered, then: the button and the password are there.
  }
}

/** Stop offering passkeys in the field. A browser has one request at a time. */
export function stopWaiting() {
  autofill?.abort();
  autofill = null;
}

async function ask(what, request, timeout) {
  stopWaiting();
  try {
    return (await navigator.credentials[what]({ ...request, signal: AbortSignal.timeout(timeout) })).toJSON();
  } catch (error) {
    throw new Refusal(CODES[error.name] ?? CANCELLED);
  }
}
