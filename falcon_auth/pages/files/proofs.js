// The forms in which users prove who they are, at the log-in and before changes that matter.

import { onSubmit, reset } from "./form.js";
import { hasPasskeys, usePasskey } from "./passkeys.js";
import { byId, when } from "./views.js";

const FORMS = { totp: "code", recovery_code: "recovery", password: "password" };

/**
 * Have the forms whose ids begin with `prefix` sent by `send`, which gets the proof as the API has it.
 * `askOptions` resolves to what a passkey is asked with.
 */
export function onProof(prefix, send, askOptions) {
  onSubmit(`${prefix}-code`, ({ code }) => send({ code }), { FACTOR_INVALID: "code" });
  onSubmit(`${prefix}-recovery`, ({ code }) => send({ code: code.trim() }), { FACTOR_INVALID: "code" });
  onSubmit(`${prefix}-password`, ({ password }) => send({ password }), { INVALID_CREDENTIALS: "password" });
  onSubmit(`${prefix}-passkey`, async () => send({ credential: await usePasskey(await askOptions()) }));
}

/** Show the forms for these kinds, empty. */
export function offerProofs(prefix, kinds) {
  const usable = kinds.filter((kind) => kind !== "passkey" || hasPasskeys());
  for (const kind of ["totp", "passkey", "recovery_code", "password"]) when(`${prefix}-${kind}`, usable.includes(kind));
  when(`${prefix}-either`, usable.includes("totp") && usable.includes("passkey"));
  for (const form of Object.values(FORMS)) if (byId(`${prefix}-${form}`)) reset(`${prefix}-${form}`);
}
