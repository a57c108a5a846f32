// What has happened to the account, a page of events at a time.

import { onPress } from "./form.js";
import { deviceOf, eventOf, moment } from "./home_words.js";
import { append, load } from "./lists.js";
import { callAsUser } from "./session.js";
import { byId } from "./views.js";

const PAGE = 20;
let next = null; // Where the following events begin; null at the end.

/** Load the latest events. */
export const showActivity = () => load("events", () => fetchEvents(), rowOf);

async function fetchEvents(after) {
  const query = new URLSearchParams({ limit: PAGE, ...(after && { after }) });
  const answer = await callAsUser("GET", `auth/activity?${query}`);
  next = answer.next;
  byId("more-events").hidden = !next;
  return answer.events;
}

function rowOf({ event, outcome, at, ip, user_agent, details }) {
  const failed = outcome === "failure";
  const about = [moment(at), user_agent && deviceOf(user_agent).name, ip];
  return { icon: failed ? "alert" : "check", title: eventOf(event, failed, details), about: about.filter(Boolean).join(" · ") };
}

onPress(byId("more-events"), byId("events-message"), async () => append("events", await fetchEvents(next), rowOf));
