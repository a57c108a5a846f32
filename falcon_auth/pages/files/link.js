// The token of the link that was opened. It comes in the fragment, which no server and no Referer
// sees, and leaves the address bar before anything else happens. The tab's sessionStorage keeps it
// until it is spent: phones drop pages in the background and load them again.

const KEY = `falcon-auth.link:${location.pathname}`;
const found = new URLSearchParams(location.hash.slice(1)).get("token");

if (found) {
  sessionStorage.setItem(KEY, found);
  history.replaceState(null, "", location.pathname + location.search);
}
// Another link that is opened in this tab changes nothing but the fragment.
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#token=")) location.reload();
});

const REASONS = {
  TOKEN_EXPIRED: "It was valid for a limited time and has expired.",
  TOKEN_REVOKED:
    "It has been used already, or the password or the address of the account has changed since it was sent.",
  TOKEN_INVALID: "It is incomplete or damaged. Open it from the mail once more, or ask for a new one.",
};
const NO_TOKEN = "This page needs the link from a mail. Open the link from the mail once more, or ask for a new one.";

/** Return the token; null where there is none. */
export const linkToken = () => sessionStorage.getItem(KEY);

/** Delete the token, because it has been used or was never valid. */
export const forgetLink = () => sessionStorage.removeItem(KEY);

/** Return a sentence that says why the link does not work; null if the error is not about the link. */
export function whyDead(error) {
  const isNoToken = error.problem?.errors?.some(({ pointer }) => pointer === "/token");
  return REASONS[isNoToken ? "TOKEN_INVALID" : error.code] ?? null;
}

/** Return a sentence for a page that was opened without a token. */
export const whyMissing = () => NO_TOKEN;
