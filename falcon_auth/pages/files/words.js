// A sentence for each refusal; what the signed-in area says besides is in home_words.js.

const LATER = "Please try again in a moment.";
const OURS = "Something went wrong on this page. Please load it again.";
const GONE = "You have been logged out. Please log in again.";

// For each error code of the API, for people who do not know the API; and for codes of these pages.
const SENTENCES = {
  ACCOUNT_DELETED: "Your account has been deleted.",
  ACCOUNT_DISABLED: "This account is disabled. Please ask the operator of the service.",
  CHALLENGE_OVER: "That took too long, or there were too many wrong codes. Please log in again.",
  CROSS_SITE: "Please open this page at the usual address of the service.",
  DUPLICATE_EMAIL: "Another account already uses this address.",
  DUPLICATE_USERNAME: "Another account already uses this user name.",
  EMAIL_NOT_VERIFIED:
    "The address of this account has to be confirmed first. Open the link in the mail, or set a new password by mail, which confirms it as well.",
  FACTOR_INVALID: "That code or passkey was not accepted. A code works once: wait for the next one.",
  FACTOR_REQUIRED: "Your account must keep at least one second factor.",
  HEADERS_TOO_LARGE: OURS,
  IDENTITY_NOT_LINKED:
    "There is an account with that address already. Log in to it the way you usually do, and link the other one under Security.",
  IDENTITY_TAKEN: "That account is linked to another user here.",
  INSUFFICIENT_SCOPE: "Your account is not allowed to do that.",
  INTERNAL_ERROR: "Something went wrong on our side. Please try again later.",
  INVALID_CLIENT: OURS,
  INVALID_CREDENTIALS: "The e-mail address or the password is wrong.",
  INVALID_EMAIL: "Please enter a full e-mail address, such as ada@example.com.",
  LAST_ADMINISTRATOR: "You are the last administrator. Please make somebody else one first.",
  LAST_WAY_IN: "You could not log in any more without it. Please set a password or add a passkey first.",
  MALFORMED_JSON: OURS,
  MALFORMED_REQUEST: OURS,
  METHOD_NOT_ALLOWED: OURS,
  MISSING_TOKEN: GONE,
  NOT_FOUND: "This service does not offer that. Please ask its operator.",
  NOT_IMPLEMENTED: OURS,
  OVERLOADED: `The service is very busy at the moment. ${LATER}`,
  PASSKEY_CANCELLED: "No passkey was used. Please try again, or choose another way.",
  PASSKEY_ELSEWHERE: "Passkeys do not work at this address. Please open the page at the usual address of this service.",
  PASSKEY_KNOWN: "This device has a passkey for your account already.",
  PAYLOAD_TOO_LARGE: "That is too much text.",
  PROVIDER_EMAIL_UNVERIFIED: "The other service has not confirmed your address there, so it cannot be used here.",
  PROVIDER_REFUSED: "The other service did not confirm who you are.",
  PROVIDER_UNAVAILABLE: `The other service is not answering. ${LATER}`,
  RATE_LIMITED: "There were too many attempts.",
  REGISTRATION_CLOSED: "New accounts are by invitation only.",
  SECOND_FACTOR_REQUIRED: "Your account asks for its second factor here.",
  SESSION_OVER: GONE,
  SESSIONS_ENDED: "You are logged out everywhere.",
  STEP_UP_REQUIRED: "Please confirm that it is you.",
  STORE_UNAVAILABLE: `The service cannot access its data. ${LATER}`,
  TOKEN_EXPIRED: GONE,
  TOKEN_INVALID: GONE,
  TOKEN_REUSED: GONE,
  TOKEN_REVOKED: GONE,
  UNEXPECTED: `The service sent an unexpected answer. ${LATER}`,
  UNREACHABLE: "The service cannot be reached. Please check that you are online, and try again.",
  UNSUPPORTED_MEDIA_TYPE: OURS,
  VALIDATION_FAILED: "Please check what you have entered.",
  WEAK_PASSWORD: "Please choose another password.",
};

/** Return the sentence for a Refusal, with the time to wait where the service named one. */
export function sentenceOf({ code, retryAfter = null }) {
  const sentence = SENTENCES[code] ?? SENTENCES.UNEXPECTED;
  return code === "RATE_LIMITED" ? `${sentence} ${whenAgain(retryAfter)}` : sentence;
}

function whenAgain(seconds) {
  if (seconds === null) return LATER;
  if (seconds <= 90) return `Please try again in ${counted(seconds, "second")}.`;
  return `Please try again in ${counted(Math.ceil(seconds / 60), "minute")}.`;
}

/** Return a number with its unit. */
export const counted = (number, unit) => `${number} ${unit}${number === 1 ? "" : "s"}`;
