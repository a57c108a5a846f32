// A sentence for each error code of the API, for users who do not know the API.

const LATER = "Please try again in a moment.";
const OURS = "Something went wrong on this page. Please load it again.";
const GONE = "You have been logged out. Please log in again.";

export const SENTENCES = {
  ACCOUNT_DISABLED: "This account is disabled. Please ask the operator of the service.",
  CROSS_SITE: "Please open this page at the usual address of the service.",
  DUPLICATE_EMAIL: "Another account already uses this address.",
  DUPLICATE_USERNAME: "Another account already uses this user name.",
  EMAIL_NOT_VERIFIED:
    "The address of this account has to be confirmed first. Open the link in the mail, or set a new password by mail, which confirms it as well.",
  FACTOR_INVALID: "That code or passkey was not accepted.",
  FACTOR_REQUIRED: "Your account must keep at least one second factor.",
  HEADERS_TOO_LARGE: OURS,
  INSUFFICIENT_SCOPE: "Your account is not allowed to do that.",
  INTERNAL_ERROR: "Something went wrong on our side. Please try again later.",
  INVALID_CLIENT: OURS,
  INVALID_CREDENTIALS: "The e-mail address or the password is wrong.",
  INVALID_EMAIL: "Please enter a full e-mail address, such as ada@example.com.",
  MALFORMED_JSON: OURS,
  MALFORMED_REQUEST: OURS,
  METHOD_NOT_ALLOWED: OURS,
  MISSING_TOKEN: GONE,
  NOT_FOUND: "This service does not offer that. Please ask its operator.",
  NOT_IMPLEMENTED: OURS,
  OVERLOADED: `The service is very busy at the moment. ${LATER}`,
  PAYLOAD_TOO_LARGE: "That is too much text.",
  PROVIDER_REFUSED: "The other service did not confirm who you are.",
  PROVIDER_UNAVAILABLE: `The other service is not answering. ${LATER}`,
  RATE_LIMITED: "There were too many attempts.",
  REGISTRATION_CLOSED: "New accounts are by invitation only.",
  SECOND_FACTOR_REQUIRED: "This account requires a second factor, which this page does not support yet.",
  STEP_UP_REQUIRED: "Please enter your password once more.",
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
export function sentenceOf({ code, retryAfter }) {
  const sentence = SENTENCES[code] ?? SENTENCES.UNEXPECTED;
  return code === "RATE_LIMITED" ? `${sentence} ${whenAgain(retryAfter)}` : sentence;
}

function whenAgain(seconds) {
  if (seconds === null) return LATER;
  if (seconds <= 90) return `Please try again in ${counted(seconds, "second")}.`;
  return `Please try again in ${counted(Math.ceil(seconds / 60), "minute")}.`;
}

const counted = (number, unit) => `${number} ${unit}${number === 1 ? "" : "s"}`;
