// Requests as curl and as Python, with a body that is accepted as it stands, or one made from the schema.

const HEADERS = '    headers={"Authorization": f"Bearer {KEY}"},';
const STREAM = "text/event-stream";

/** Return a value that a schema lets in: an example of its own, else the least. */
export function sample(schemas, schema, depth = 0) {
  const [arm] = schemas.arms(schemas.read(schema));
  const one = schemas.read(arm ?? {});
  if (one.examples?.length) return one.examples[0];
  if (one.const !== undefined) return one.const;
  if (one.default != null) return one.default;
  if (one.enum) return one.enum[0];
  if (one.anyOf || one.oneOf) return sample(schemas, one, depth);
  if (one.properties && depth < 6) {
    const needed = one.required ?? [];
    return Object.fromEntries(needed.map((name) => [name, sample(schemas, one.properties[name], depth + 1)]));
  }
  if (one.type === "array") return one.minItems ? [sample(schemas, one.items ?? {}, depth + 1)] : [];
  if (one.type === "integer" || one.type === "number") return one.minimum ?? 1;
  if (one.type === "string") return one.format === "uuid" ? "01a21a7c-014f-78fc-8d89-c1a78f157de9" : "text";
  return one.type === "boolean" ? true : {};
}

/** Return the requests of an operation, as pairs of title and code. */
export function requests(schemas, base, method, path, operation) {
  const address = path.replace(/{(\w+)}/g, (_, name) => name.toUpperCase()) + query(schemas, operation);
  const content = operation.requestBody?.content ?? {};
  const json = content["application/json"];
  const open = operation.security?.length === 0;
  const stream = Object.values(operation.responses).some((answer) => answer.content?.[STREAM]);
  const bodies = json ? bodiesOf(schemas, json) : [["", undefined]];
  const raw = !json && operation.requestBody ? Object.keys(content)[0] : null;
  return bodies.flatMap(([name, body], index) => [
    [`curl${name}`, curl(base + address, method, body, raw, open, stream)],
    ...(index ? [] : [["Python", python(base, address, method, body, raw, open, stream)]]),
  ]);
}

function bodiesOf(schemas, json) {
  const given = Object.entries(json.examples ?? {}).map(([name, one]) => [/^\d+$/.test(name) ? "" : `: ${name}`, one.value]);
  return given.length ? given : [["", sample(schemas, json.schema)]];
}

function query(schemas, operation) {
  const needed = operation.parameters.filter((one) => one.in === "query" && one.required);
  const parts = needed.map((one) => `${one.name}=${encodeURIComponent(sample(schemas, one.schema))}`);
  return parts.length ? `?${parts.join("&")}` : "";
}

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(url, method, body, raw, open, stream) {
  const lines = [`curl -sS${stream ? "N" : ""}${method === "GET" ? "" : ` -X ${method}`}`, shell(url)];
  if (!open) lines.push('-H "Authorization: Bearer $KEY"');
  if (body !== undefined) lines.push("-H 'Content-Type: application/json'", `-d ${shell(pretty(body))}`);
  if (raw) lines.push(`-H 'Content-Type: ${raw}'`, "--data-binary @FILE");
  return lines.join(" \\\n  ");
}

function python(base, address, method, body, raw, open, stream) {
  const sent = body !== undefined ? `json=${literal(body)}` : raw ? 'content=open("FILE", "rb")' : "";
  const start = ["import httpx", "", "api = httpx.Client(", `    base_url="${base}",`, ...(open ? [] : [HEADERS]), ")"];
  if (stream) {
    return [...start, `with api.stream("${method}", "${address}", timeout=None) as answer:`,
      "    for line in answer.iter_lines():", "        print(line)"].join("\n");
  }
  const call = sent ? [`answer = api.request(`, `    "${method}", "${address}",`, `    ${sent},`, ")"]
    : [`answer = api.request("${method}", "${address}")`];
  return [...start, ...call, "answer.raise_for_status()", "print(answer.text)"].join("\n");
}

/** Return a JSON value on one line, or on many where that would be long. */
function pretty(value) {
  const line = JSON.stringify(value);
  return line.length > 48 ? JSON.stringify(value, null, 2) : line;
}

/** Return a JSON value as Python writes it. */
function literal(value) {
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${literal(one)}`).join(", ")}}`;
  }
  return typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value);
}
