// The sessions of the user, this one first.

import { ask } from "./dialogs.js";
import { onPress } from "./form.js";
import { ASK, SAID, WORDS, ago, deviceOf } from "./home_words.js";
import { load } from "./lists.js";
import { callAsUser, endSession } from "./session.js";
import { byId, say } from "./views.js";

/** Load the list of sessions. */
export const showDevices = () => load("sessions", fetchSessions, rowOf);

async function fetchSessions() {
  const { sessions } = await callAsUser("GET", "auth/sessions");
  return sessions.sort((one, other) => other.current - one.current || other.last_used_at.localeCompare(one.last_used_at));
}

function rowOf({ id, current, user_agent, ip, last_used_at }) {
  const { name, icon } = deviceOf(user_agent);
  const end = async () => {
    await callAsUser("DELETE", `auth/sessions/${id}`);
    await showDevices();
    byId("sessions-title").focus();
    say(SAID.sessionEnded(name));
  };
  return {
    icon,
    title: name,
    badge: current && WORDS.thisDevice,
    about: [ip, current ? WORDS.activeNow : WORDS.lastUsed(ago(last_used_at))].filter(Boolean).join(" · "),
    action: current ? null : { label: WORDS.logOut, name: WORDS.logOutDevice(name), act: end },
  };
}

onPress(byId("end-all"), byId("sessions-message"), () =>
  ask(...ASK.everywhere, async () => {
    await callAsUser("DELETE", "auth/sessions");
    endSession("SESSIONS_ENDED");
  }),
);
