// The signed-in area: one section at a time, loaded when it is looked at.

import { showActivity } from "./activity.js";
import { showDevices } from "./devices.js";
import { showFactors } from "./factors.js";
import { showIdentities } from "./identities.js";
import "./own_data.js";
import { showProfile } from "./profile.js";
import { fill, say, show, when } from "./views.js";

export { finishLink } from "./identities.js";

const SECTIONS = {
  profile: () => {},
  security: () => Promise.all([showFactors(), showIdentities()]),
  devices: showDevices,
  activity: showActivity,
  data: () => {},
};

/** Show the area as that user's. */
export function showHome(user) {
  showProfile(user);
  when("user", true);
  show("home");
}

/** Take the user out of the page; what is hidden is there all the same. */
export function hideHome() {
  for (const name of ["email", "created", "last-login"]) fill(name, "");
  for (const list of document.querySelectorAll(".rows")) list.replaceChildren();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  when("user", false);
}

/** Show a section; the first one where there is none of that name. */
export function showSection(asked) {
  const links = [...document.querySelectorAll(".sections a")];
  const link = links.find((each) => each.hash === `#${asked}`) ?? links[0];
  for (const each of links) each.removeAttribute("aria-current");
  link.setAttribute("aria-current", "page");
  const name = link.hash.slice(1);
  say("");
  show(name, "section");
  SECTIONS[name]();
}
