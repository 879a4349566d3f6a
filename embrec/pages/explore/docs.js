/* The documentation of the endpoints, from their OpenAPI document. */

import { h, problem } from "./dom.js";

const root = document.getElementById("main");

/** Describe a JSON Schema in a few words. */
function said(shape) {
  if (shape.enum) return shape.enum.join(", ");
  const bounds = [
    shape.minimum !== undefined && `from ${shape.minimum}`,
    shape.maximum < 2 ** 31 - 1 && `to ${shape.maximum}`,
    shape.maxProperties && `at most ${shape.maxProperties}`,
    shape.default !== undefined && `default ${shape.default}`,
  ];
  return [[shape.type].flat().join(" or "), ...bounds].filter(Boolean).join(", ");
}

/** Return the columns of an answer, nested ones in brackets. */
function columns(shape) {
  if (shape.type === "array") return shape.items.properties ? `[${columns(shape.items)}]` : "";
  if (!shape.properties) return "";
  return Object.entries(shape.properties)
    .map(([name, inner]) => `${name}${columns(inner) && ` ${columns(inner)}`}`)
    .join(", ");
}

function values(operation) {
  const body = operation.requestBody?.content["application/json"].schema;
  const ofBody = Object.entries(body?.properties ?? {}).map(([name, shape]) => ({ name, shape, place: "body", required: body.required.includes(name), description: shape.description }));
  const others = operation.parameters.map((each) => ({ ...each, place: each.in, shape: each.schema ?? each.content["application/json"].schema }));
  return [...others, ...ofBody];
}

/** Return the address of an example, with all required parameters. */
function example(path, operation) {
  const given = operation.parameters.filter((each) => each.example !== undefined);
  const text = (each) => (typeof each.example === "object" ? JSON.stringify(each.example) : String(each.example));
  const filled = given.filter((each) => each.in === "path").reduce((found, each) => found.replace(`{${each.name}}`, encodeURIComponent(text(each))), path);
  const query = new URLSearchParams(given.filter((each) => each.in === "query").map((each) => [each.name, text(each)])).toString();
  return `${filled.slice(1)}${query ? `?${query}` : ""}`;
}

function tryIt(path, method, operation) {
  const address = example(path, operation);
  const output = h("pre", { hidden: true, tabIndex: 0, role: "region", "aria-label": `Answer of ${path}` });
  const body = operation.requestBody?.content["application/json"].example;
  const ask = async () => {
    output.hidden = false;
    output.textContent = "…";
    const options = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
    const answer = await fetch(address, options).catch(() => null);
    const found = await answer?.json().catch(() => `Status ${answer.status}, without JSON.`);
    output.textContent = answer ? JSON.stringify(found, null, 2).slice(0, 4000) : "The server does not answer.";
  };
  const shown = `${method.toUpperCase()} /${decodeURIComponent(address)}${body ? ` ${JSON.stringify(body)}` : ""}`;
  return [h("p", {}, h("button", { type: "button", onclick: ask, "aria-label": `Try ${shown}` }, "Try it"), " ", h("code", {}, shown)), output];
}

function endpoint(path, method, operation) {
  const rows = values(operation).map((each) =>
    h("tr", {}, h("th", { scope: "row" }, h("code", {}, each.name)), h("td", {}, `${each.place}: ${said(each.shape)}${each.required ? "; required" : ""}`), h("td", {}, each.description)),
  );
  const head = h("thead", {}, h("tr", {}, ["value", "type", "meaning"].map((name) => h("th", { scope: "col" }, name))));
  const statuses = Object.entries(operation.responses).filter(([status]) => status !== "200");
  return h(
    "section",
    { className: "card endpoint" },
    h("h2", {}, h("span", { className: "method" }, method.toUpperCase()), h("code", {}, path)),
    h("p", {}, operation.summary),
    rows.length ? h("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": `Values of ${path}` }, h("table", {}, head, h("tbody", {}, rows))) : null,
    h("p", {}, "Answers ", h("code", {}, columns(operation.responses["200"].content["application/json"].schema))),
    h("details", {}, h("summary", {}, "Refusals"), h("ul", {}, statuses.map(([status, each]) => h("li", {}, h("b", {}, status), ` ${each.description}`)))),
    tryIt(path, method, operation),
  );
}

try {
  const found = await (await fetch("openapi.json")).json();
  const sections = Object.entries(found.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => endpoint(path, method, operation)));
  root.replaceChildren(
    h("h1", {}, "Endpoints"),
    h("p", { className: "soft" }, `${found.info.description} Errors come as {"error": "…"}. For machines: `, h("a", { href: "openapi.json" }, "openapi.json"), "."),
    ...sections,
  );
} catch (error) {
  problem(root, error);
}
