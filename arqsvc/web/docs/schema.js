// A JSON Schema as a tree that people read: name, type, bounds, meaning; a schema within opens when it is asked for.
import { el, inline } from "./dom.js";

const LARGEST = 14;
/** Words of a choice that are shown; the others are counted. */

const nameOf = (ref) => ref.split("/").pop();
const isNull = (schema) => schema.type === "null";

/** Reads schemas of one document. */
export class Schemas {
  constructor(document) {
    this.all = document.components.schemas;
    this.headers = document.components.headers;
  }

  /** Return a schema itself where it refers to another. */
  read(schema) {
    return schema.$ref ? { ...this.all[nameOf(schema.$ref)], ...schema, $ref: undefined } : schema;
  }

  /** Return the arms of a schema that are not null. */
  arms(schema) {
    return schema.properties ? [schema] : (schema.anyOf ?? schema.oneOf ?? [schema]).filter((arm) => !isNull(arm));
  }

  /** Return the type of a schema in words. */
  type(schema) {
    const parts = this.arms(schema).map((arm) => this.#one(arm));
    if ((schema.anyOf ?? schema.oneOf ?? []).some(isNull)) parts.push("null");
    return [...new Set(parts)].join(" or ");
  }

  #one(schema) {
    if (schema.$ref) {
      const target = this.read(schema);
      return target.properties ? nameOf(schema.$ref) : this.type(target);
    }
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return "choice";
    if (schema.type === "array") return `list of ${schema.items ? this.type(schema.items) : "any"}`;
    if (schema.type === "object" && !schema.properties) {
      const inner = schema.additionalProperties || Object.values(schema.patternProperties ?? {})[0];
      return inner && inner !== true ? `object of ${this.type(inner)}` : "object";
    }
    return [schema.type ?? "any", schema.format && `(${schema.format})`].filter(Boolean).join(" ");
  }

  /** Return the bounds of a schema in words: choices, ranges, lengths, pattern, default. */
  bounds(schema) {
    const said = [];
    for (const arm of this.arms(schema).map((one) => this.read(one))) {
      if (arm.enum) said.push(choice(arm.enum));
      said.push(range(arm.minimum ?? arm.exclusiveMinimum, arm.maximum ?? arm.exclusiveMaximum, ""));
      said.push(range(arm.minLength, arm.maxLength, " characters"), range(arm.minItems > 1 ? arm.minItems : null, arm.maxItems, " items"));
      if (arm.pattern) said.push(`matches ${arm.pattern}`);
      if (arm.type === "array" && arm.items) said.push(this.bounds(arm.items));
      if (arm.examples && arm.type !== "object") said.push(`such as ${arm.examples.map((e) => JSON.stringify(e)).join(", ")}`);
    }
    if (schema.default != null) said.push(`default ${JSON.stringify(schema.default)}`);
    return said.filter(Boolean).join("; ");
  }

  /** Return the members of a schema as a list, those within folded but for `params`; `asked` marks what must be there. */
  tree(schema, asked = false) {
    const kinds = Object.entries(this.read(schema).discriminator?.mapping ?? {});
    if (kinds.length) return el("ul", { class: "tree" }, kinds.map(([name, ref]) => this.#kind(name, { $ref: ref })));
    const whole = this.#object(schema);
    if (!whole) return el("p", { class: "type" }, this.type(schema));
    const needed = new Set(whole.required ?? []);
    return el("ul", { class: "tree" }, Object.entries(whole.properties).map(([name, member]) => {
      const bounds = this.bounds(member);
      return el("li", {},
        el("code", { class: "name" }, name), " ",
        el("span", { class: "type" }, this.type(member), asked && needed.has(name) && el("em", {}, " required")),
        member.description && el("p", {}, inline(member.description)),
        bounds && el("p", { class: "bounds" }, bounds),
        this.#within(member, asked, name === "params"),
      );
    }));
  }

  #kind(name, schema) {
    return el("li", {}, el("code", { class: "name" }, name), el("p", {}, inline(this.read(schema).description ?? "")), this.#within(schema));
  }

  /** Return the schema of an object, where this is one, refers to one, may be one, or lists some. */
  #object(schema) {
    for (const arm of this.arms(schema).map((one) => this.read(one))) {
      if (arm.properties) return arm;
      const found = arm.items && this.#object(arm.items);
      if (found) return found;
      if (arm.anyOf || arm.oneOf) return this.#object(arm);
    }
    return null;
  }

  #within(schema, asked, open) {
    const whole = this.#object(schema);
    if (!whole) return null;
    return opening(`Members of ${whole.title ?? "it"}`, () => [this.tree(whole, asked)], open);
  }
}

/** Return what is folded, and made when it is opened first. */
export function opening(title, make, open = false) {
  const details = el("details", { open }, el("summary", {}, title));
  const fill = () => {
    if (details.open && details.childElementCount === 1) details.append(...make());
  };
  details.addEventListener("toggle", fill);
  fill();
  return details;
}

function choice(values) {
  const shown = values.slice(0, LARGEST).map((value) => JSON.stringify(value)).join(", ");
  return `one of ${shown}${values.length > LARGEST ? ` and ${values.length - LARGEST} more` : ""}`;
}

function range(least, most, unit) {
  if (least == null && most == null) return "";
  if (least == null) return `at most ${most}${unit}`;
  return most == null ? `at least ${least}${unit}` : `${least} to ${most}${unit}`;
}
