/* The client of the JSON endpoints. */

import { here } from "./route.js";

/** Send a GET request. Lists become repeated parameters; null and "" are left out. */
export function get(path, parameters = {}, signal = undefined) {
  return ask(path, parameters, { signal });
}

/** Send a POST request with a JSON body. */
export function post(path, parameters, body, signal = undefined) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, parameters, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** Encode an id as part of a path. */
export const part = (id) => encodeURIComponent(id);

/** Return the parameter that names the run to ask, unless it is the published one. */
export function runAsked() {
  const run = here().run;
  return run ? { run } : {};
}

async function ask(path, parameters, options) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of [value].flat()) if (each !== null && each !== undefined && each !== "") query.append(name, each);
  }
  const text = query.toString();
  let answer;
  try {
    answer = await fetch(`api/${path}${text ? `?${text}` : ""}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is embrec explore still running?");
  }
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(found.error || `The server answered with status ${answer.status}.`), { status: answer.status });
  return found;
}
