// What belongs to the user: to be taken away, or deleted.

import { callConfirmed } from "./confirm.js";
import { ask } from "./dialogs.js";
import { onPress, onSubmit } from "./form.js";
import { ASK } from "./home_words.js";
import { callAsUser, endSession } from "./session.js";
import { byId } from "./views.js";

/** Have the browser save a text as a file. */
export function save(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

onSubmit("download", async () => {
  const all = await callAsUser("GET", "auth/account");
  save("account.json", JSON.stringify(all, null, 2), "application/json");
});
onPress(byId("delete-account"), byId("delete-message"), () =>
  ask(...ASK.deleteAccount, async () => {
    await callConfirmed("DELETE", "auth/account");
    endSession("ACCOUNT_DELETED");
  }),
);
