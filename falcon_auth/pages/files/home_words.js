// What the signed-in area says, and how it writes times, devices and events.

import { counted } from "./words.js";

/** What is said of what has just been done. */
export const SAID = {
  added: (name) => `${name} has been added.`,
  changeSent: (email) => `A link is on its way to ${email}. Your address changes when you open it.`,
  linked: (title) => `${title} is linked.`,
  passwordChanged: "Your password has been changed. Your other devices are logged out.",
  removed: (name) => `${name} has been removed.`,
  renamed: "Saved.",
  sessionEnded: (name) => `${name} is logged out.`,
  verificationSent: "The mail is on its way. It may take a minute.",
};

/** What is asked before something that cannot be undone: title, why, and the button. */
export const ASK = {
  deleteAccount: [
    "Delete your account?",
    "Your account and all that belongs to it are gone at once, and nobody can bring them back.",
    "Delete account",
  ],
  everywhere: ["Log out everywhere?", "All your devices are logged out, this one too.", "Log out everywhere"],
  newCodes: ["Create new recovery codes?", "The ones that you have saved will not work any more.", "Create new codes"],
  removeFactor: (name) => [`Remove ${name}?`, "You will not be able to log in with it any more.", "Remove"],
  unlink: (title) => [`Unlink ${title}?`, "You will not be able to log in with it any more.", "Unlink"],
};

/** Labels of what scripts add to the page. */
export const WORDS = {
  activeNow: "Active now",
  added: (when) => `Added ${when}`,
  app: "Authenticator app",
  codesLeft: (number) => `You have ${counted(number, "unused code")} left.`,
  copied: "Copied",
  lastUsed: (when) => `Last used ${when}`,
  link: (title) => `Link ${title}`,
  logOut: "Log out",
  logOutDevice: (name) => `Log out ${name}`,
  neverUsed: "Never used",
  none: "None",
  remove: "Remove",
  removeNamed: (name) => `Remove ${name}`,
  thisDevice: "This device",
  unlink: "Unlink",
  unlinkNamed: (title) => `Unlink ${title}`,
};

// What an audit event tells, and what it tells where it failed.
const EVENTS = {
  "email.changed": ["E-mail address changed"],
  "factor.added": ["Second factor added"],
  "factor.removed": ["Second factor removed"],
  "identity.linked": ["Other account linked"],
  "identity.unlinked": ["Other account unlinked"],
  "login.failed": ["Failed log-in", "Failed log-in"],
  "login.succeeded": ["Logged in"],
  "password.changed": ["Password changed"],
  "password.reset": ["Password reset"],
  "password.reset_requested": ["Link for a new password requested"],
  "refresh.reused": ["A used token came back", "A session was ended, because somebody else may have had its token"],
  "role.changed": ["Role changed"],
  "role.granted": ["Role given"],
  "role.revoked": ["Role taken away"],
  "session.ended": ["Logged out"],
  "user.deleted": ["Account deleted"],
  "user.disabled": ["Account disabled"],
  "user.enabled": ["Account enabled"],
  "user.invited": ["Invited"],
  "user.registered": ["Account created"],
  "user.renamed": ["User name changed"],
  "user.verified": ["E-mail address confirmed"],
};

/** Return what an audit event tells. */
export function eventOf(event, failed, details) {
  const [told = event, toldFailed = `${told} (failed)`] = EVENTS[event] ?? [];
  const count = details?.count > 1 ? ` (${details.count} times)` : "";
  return (failed ? toldFailed : told) + count;
}

const dates = new Intl.DateTimeFormat("en", { dateStyle: "long" });
const times = new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" });
const spans = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["minute", 60], ["hour", 3600], ["day", 86_400]];

/** Return the date of a time of the API. */
export const day = (time) => dates.format(new Date(time));

/** Return date and time. */
export const moment = (time) => times.format(new Date(time));

/** Return how long ago something was; the date where that is over a month. */
export function ago(time) {
  const seconds = (Date.now() - new Date(time)) / 1000;
  if (seconds < 60) return "just now";
  if (seconds > 30 * 86_400) return day(time);
  const [unit, size] = UNITS.findLast(([, each]) => seconds >= each);
  return spans.format(-Math.floor(seconds / size), unit);
}

const BROWSERS = [["Edg", "Edge"], ["OPR", "Opera"], ["Firefox"], ["Chrom", "Chrome"], ["Safari"], ["curl", "curl"]];
const SYSTEMS = [["iPhone"], ["iPad"], ["Android"], ["Windows"], ["CrOS", "ChromeOS"], ["Mac OS", "macOS"], ["Linux"]];

/** Return a name and an icon for what a User-Agent header says. */
export function deviceOf(userAgent) {
  const find = (known) => {
    const [mark, name = mark] = known.find(([each]) => userAgent?.includes(each)) ?? [];
    return name;
  };
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)];
  const icon = ["iPhone", "iPad", "Android"].includes(system) ? "phone" : "laptop";
  return { name: [browser, system].filter(Boolean).join(" on ") || "Unknown device", icon };
}
