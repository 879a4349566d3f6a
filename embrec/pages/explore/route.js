/* The routing by the URL's hash, #/VIEW/ID?parameters, so that every state has a link. */

/** Parse the address into a place: {view, id, parameters, run}. */
export function here() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [view, ...rest] = path.split("/");
  const parameters = new URLSearchParams(query);
  return { view: view || "movie", id: decoded(rest.join("/")), parameters, run: parameters.get("run") };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand, not percent-encoded
  }
}

/** Return the address of a place. */
export function address(view, id, parameters) {
  const text = new URLSearchParams(parameters).toString();
  return `#/${view}${id === "" ? "" : `/${encodeURIComponent(id)}`}${text ? `?${text}` : ""}`;
}

/** Return the address of a place, with the same run as here. */
export function link(view, id = "", parameters = {}) {
  const query = new URLSearchParams(parameters);
  const run = here().run;
  if (run) query.set("run", run);
  return address(view, id, query);
}

/** Go to a place. */
export function go(...place) {
  location.hash = link(...place);
}

/** Replace the address of this place without leaving it. */
export function keep(parameters) {
  const { view, id } = here();
  history.replaceState(null, "", link(view, id, parameters));
}
