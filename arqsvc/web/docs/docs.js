// The page at /docs: all of /openapi.json, to be read. It asks for nothing else.
import { blocks, code, el, inline } from "./dom.js";
import { requests } from "./examples.js";
import { opening, Schemas } from "./schema.js";

const main = document.getElementById("main");
const links = document.getElementById("links");
const contents = document.getElementById("contents");
const wide = matchMedia("(min-width: 900px)");
const slug = (text) => text.toLowerCase().replace(/[^a-z0-9.]+/g, "-");

function show(api) {
  const schemas = new Schemas(api);
  const base = new URL(api.servers[0].url, location.href).href.replace(/\/$/, "");
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })));
  document.getElementById("version").textContent = api.info.version;
  document.getElementById("said").textContent = api.info.summary;
  main.append(...blocks(api.info.description, "h2", slug));
  link([...main.querySelectorAll("h2")].map((title) => ["", title.textContent, title.id]), "Introduction");

  const section = (title, doc, found, make) => {
    if (!found.length) return;
    main.append(el("section", {}, el("h2", { id: slug(title) }, title), doc && el("p", {}, inline(doc)), found.map(make)));
  };
  const one = (each) => operation(schemas, base, api, each);
  const kinds = operations.filter((each) => each.operation["x-kind"]);
  section("Kinds of jobs", "What can be submitted here, each with its parameters and its result.", kinds, one);
  link(kinds.map((each) => ["POST", each.operation["x-kind"], each.operation.operationId]), "Kinds of jobs");
  for (const { name, description } of api.tags) {
    const found = operations.filter((each) => each.operation.tags.includes(name) && !each.operation["x-kind"]);
    const title = name[0].toUpperCase() + name.slice(1);
    section(title, description, found, one);
    link(found.map((each) => [each.method, each.path, each.operation.operationId]), title);
  }
  const hooks = Object.entries(api.webhooks ?? {});
  section("Messages", "What is sent to webhooks.", hooks, ([name, hook]) => message(schemas, name, hook.post));
  link(hooks.map(([name]) => ["", name, `on.${name}`]), "Messages");

  main.removeAttribute("aria-busy");
  document.title = `arqsvc API ${api.info.version}`;
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

/** Add a group to the contents; of each link the method, the text and the id of what it leads to. */
function link(found, title) {
  if (!found.length) return;
  links.append(el("section", {}, el("h2", {}, title), el("ul", {}, found.map(([method, text, id]) =>
    el("li", {}, el("a", { href: `#${id}` }, method && el("span", { class: "method", "data-method": method }, method), el("span", {}, text)))))));
}

function operation(schemas, base, api, { method, path, operation: described }) {
  const body = described.requestBody?.content;
  const json = body?.["application/json"];
  const answers = Object.entries(described.responses).map(([status, answer]) =>
    [status, answer.$ref ? api.components.responses[answer.$ref.split("/").pop()] : answer]);
  return el("article", { id: described.operationId, "aria-labelledby": `${described.operationId}-title` },
    el("h3", { id: `${described.operationId}-title` },
      el("span", { class: "method", "data-method": method }, method), " ", el("code", {}, path)),
    el("div", { class: "words" },
      blocks(described.description, "h4"),
      described.parameters.length > 0 && parameters(schemas, described.parameters),
      json && [el("h4", {}, described.requestBody.required ? "Body" : "Body, if any"), schemas.tree(json.schema, true)],
      body && !json && [el("h4", {}, "Body"), el("p", {}, Object.keys(body).join(" or "))],
      described["x-result"] && [el("h4", {}, "Result, once it has succeeded"), schemas.tree(described["x-result"])],
      el("h4", {}, "Answers"), el("ul", { class: "answers" }, answers.map((answer) => shown(schemas, ...answer)))),
    el("div", { class: "examples" }, requests(schemas, base, method, path, described).map(([title, text]) => code(text, title))),
  );
}

/** Return an answer: its status, what it means, and its body, which opens when it is asked for. */
function shown(schemas, status, answer) {
  const [[media, body] = []] = Object.entries(answer.content ?? {});
  const [line, ...more] = blocks(answer.description);
  const told = () => [...more, body.schema ? schemas.tree(body.schema) : ""];
  const headers = Object.keys(answer.headers ?? {}).map((name) => el("code", {}, name));
  return el("li", {}, el("strong", { class: status < 400 ? "good" : "" }, status), line,
    media && (body.schema || more.length ? opening(media, told) : el("span", { class: "type" }, media)),
    headers.length > 0 && opening("headers", () => [el("ul", { class: "tree" }, headers.map((name) =>
      el("li", {}, name, el("p", {}, inline(schemas.headers[name.textContent].description)))))]));
}

function parameters(schemas, found) {
  const row = (one) => el("tr", {},
    el("th", { scope: "row" }, el("code", {}, one.name), one.required && el("em", {}, " required")),
    el("td", {}, one.in),
    el("td", {}, el("span", { class: "type" }, schemas.type(one.schema)),
      one.description && el("p", {}, inline(one.description)), el("p", { class: "bounds" }, schemas.bounds(one.schema))));
  return [el("h4", {}, "Parameters"), el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Parameters" }, el("table", {},
    el("thead", {}, el("tr", {}, ["Name", "In", "What it is"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, found.map(row))))];
}

function message(schemas, name, hook) {
  const { schema } = hook.requestBody.content["application/json"];
  return el("article", { id: `on.${name}`, "aria-labelledby": `on.${name}-title` },
    el("h3", { id: `on.${name}-title` }, el("code", {}, name)),
    el("div", { class: "words" }, blocks(hook.description, "h4"), schemas.tree(schema)));
}

function find(event) {
  const words = event.target.value.toLowerCase().split(/\s+/);
  for (const item of links.querySelectorAll("li")) {
    const target = document.getElementById(decodeURIComponent(item.firstChild.hash.slice(1)));
    const text = `${item.textContent} ${target?.querySelector("p")?.textContent ?? ""}`.toLowerCase();
    item.hidden = !words.every((word) => text.includes(word));
  }
  for (const group of links.children) group.hidden = !group.querySelector("li:not([hidden])");
}

document.getElementById("find").addEventListener("input", find);
wide.addEventListener("change", () => { contents.open = wide.matches; });
contents.open = wide.matches;
contents.addEventListener("click", (event) => {
  if (event.target.closest("a") && !wide.matches) contents.open = false;
});

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
  show(await answer.json());
} catch (error) {
  document.getElementById("said").textContent = `This page could not be made: ${error.message}. Load it again.`;
}
