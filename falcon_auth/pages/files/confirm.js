// Step-up: changes that matter ask who is there, and are then sent again.

import { Refusal, call } from "./api.js";
import { close, open } from "./dialogs.js";
import { CANCELLED } from "./form.js";
import { logIn } from "./login.js";
import { offerProofs, onProof } from "./proofs.js";
import { callAsUser, currentUser, keep } from "./session.js";

let pending = null; // The change that waits: kinds, resolve.

/** Send a request that may ask for a confirmation. Rejects with a Refusal, CANCELLED where nobody confirms. */
export async function callConfirmed(method, path, body) {
  try {
    return await callAsUser(method, path, body);
  } catch (error) {
    if (error.code !== "STEP_UP_REQUIRED") throw error;
    await confirm();
    return await callAsUser(method, path, body);
  }
}

async function confirm() {
  const kinds = await kindsOfProof();
  offerProofs("confirm", kinds);
  await new Promise((resolve, reject) => {
    pending = { kinds, resolve };
    open("confirm", () => reject(new Refusal(CANCELLED)));
  });
}

// A recovery code logs in, but does not confirm.
async function kindsOfProof() {
  const { factors } = await factorsOfUser();
  return factors.length > 0 ? [...new Set(factors.map(({ kind }) => kind))] : ["password"];
}

/** Return the user's factors; none where the service has no factors. */
export async function factorsOfUser() {
  try {
    return await callAsUser("GET", "auth/factors");
  } catch (error) {
    if (error.code !== "NOT_FOUND") throw error;
    return { factors: [], recovery_codes_left: 0 };
  }
}

async function prove(proof) {
  try {
    keep(await callAsUser("POST", "auth/confirm", proof));
  } catch (error) {
    if (error.code !== "NOT_FOUND") throw error;
    await logIn((await currentUser()).email, proof.password); // A service without factors: log in anew.
  }
  pending.resolve();
  close("confirm");
  offerProofs("confirm", []);
}

onProof("confirm", prove, () => callAsUser("POST", "auth/confirm/options"));
