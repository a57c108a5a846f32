// The public API, as these pages use it.

// From where this file was loaded, so that a proxy may put a prefix before all paths.
export const API = new URL("../../api/v1/", import.meta.url);
const PATIENCE_MS = 30_000;

/** Why a call did not succeed. `problem` is the problem document, `retryAfter` is in seconds. */
export class Refusal extends Error {
  constructor(code, { status = 0, problem = {}, retryAfter = null } = {}) {
    super(code);
    this.name = "Refusal";
    Object.assign(this, { code, status, problem, retryAfter });
  }
}

/** Send one request. Resolves to the answer's JSON, null where there is none; rejects with a Refusal. */
export async function call(method, path, { body, token } = {}) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token !== undefined) headers.Authorization = `Bearer ${token}`;
  let response, text;
  try {
    response = await fetch(new URL(path, API), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin", // The cookie of the session, which only its own endpoints get.
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    text = await response.text();
  } catch {
    throw new Refusal("UNREACHABLE");
  }
  const answer = parse(text);
  if (!response.ok) throw refusalOf(response, answer);
  return answer;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // No body, or a page of some proxy.
  }
}

function refusalOf(response, problem) {
  const seconds = Number.parseInt(response.headers.get("Retry-After"), 10);
  const retryAfter = Number.isNaN(seconds) ? null : seconds;
  const code = typeof problem?.code === "string" ? problem.code : "UNEXPECTED";
  return new Refusal(code, { status: response.status, problem: problem ?? {}, retryAfter });
}
