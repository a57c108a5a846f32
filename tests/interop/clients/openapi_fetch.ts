// The whole life of a session by openapi-fetch, typed by openapi-typescript.
import createClient from "openapi-fetch";
import type { paths } from "./generated/schema";

async function main(baseUrl: string) {
  const client = createClient<paths>({ baseUrl });
  const account = { email: "ada@example.com", password: "correct horse battery" };
  const profileOf = (token: string) =>
    client.GET("/api/v1/protected/profile", { headers: { Authorization: `Bearer ${token}` } });

  const registered = await client.POST("/api/v1/auth/register", { body: account });
  const again = await client.POST("/api/v1/auth/register", { body: account });
  const loggedIn = await client.POST("/api/v1/auth/login", { body: account });
  if (!registered.data || !loggedIn.data || !again.error) throw new Error("no tokens");
  // Where addresses must be verified first, registering answers 202 without a user.
  if (!("user" in registered.data)) throw new Error("a mail was sent instead");
  // @ts-expect-error -- There is no such code: the compiler has to refuse it.
  if (again.error.code === "TYPO") throw new Error("never");

  const refreshed = await client.POST("/api/v1/auth/refresh", {
    body: { refresh_token: loggedIn.data.refresh_token },
  });
  if (!refreshed.data) throw new Error("no successor");
  const profile = await profileOf(refreshed.data.access_token);
  await client.POST("/api/v1/auth/logout", {
    body: { refresh_token: refreshed.data.refresh_token },
  });
  const loggedOut = await profileOf(refreshed.data.access_token);

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
