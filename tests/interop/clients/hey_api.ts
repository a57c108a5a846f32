// The whole life of a session by the client that @hey-api/openapi-ts generates.
import { createClient } from "./generated/hey/client";
import { getProfile, login, logout, refresh, register } from "./generated/hey";

async function main(baseUrl: string) {
  const client = createClient({ baseUrl });
  const account = { email: "ada@example.com", password: "correct horse battery" };

  const registered = await register({ client, body: account });
  const again = await register({ client, body: account });
  const loggedIn = await login({ client, body: account });
  if (!registered.data || !loggedIn.data || !again.error) throw new Error("no tokens");
  // Where addresses must be verified first, registering answers 202 without a user.
  if (!("user" in registered.data)) throw new Error("a mail was sent instead");
  // @ts-expect-error -- There is no such code: the compiler has to refuse it.
  if (again.error.code === "TYPO") throw new Error("never");

  const refreshed = await refresh({
    client,
    body: { refresh_token: loggedIn.data.refresh_token },
  });
  if (!refreshed.data) throw new Error("no successor");
  const auth = refreshed.data.access_token;
  const profile = await getProfile({ client, auth });
  await logout({ client, body: { refresh_token: refreshed.data.refresh_token } });
  const loggedOut = await getProfile({ client, auth });

  console.log(
    JSON.stringify({
      registered: registered.data.user.email,
      registered_again: again.error.code,
      profile: profile.data?.email,
      logged_out: loggedOut.error?.code,
    }),
  );
}

void main(process.argv[2] ?? "");
