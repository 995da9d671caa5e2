// One job on the page: an element made once and painted in place; only what changed is written.

import { age, basePairs, bytes, clock, count, duration, percent } from "./format.js";

const FINAL = ["succeeded", "failed", "cancelled"];
const WORDS = { blocked: "waits for its download", scheduled: "waiting to try again" };

/** What stands beside the length of a result: term, value, the value in full, class. */
const NUMBERS = {
  "genomes.analyze": ({ gc, cds, errors, warnings, notices }) => [
    ["GC", percent(gc)],
    ["CDS", count(cds)],
    ["Errors", count(errors), "", errors ? "bad" : ""],
    ["Warnings", count(warnings)],
    ["Notices", count(notices)],
  ],
  "genomes.download": ({ size_bytes, sha256 }) => [
    ["Size", bytes(size_bytes)],
    ["Verified", sha256.slice(0, 7), `SHA-256 ${sha256}`],
  ],
};

export const rows = new Map(); // by id of the job
export const names = new Map(); // by id of the file; null: asked, not known

/** A job as the API tells it; or a file on its way to become one, which has a `name` and no `id`. */
export class Row {
  actedAt = 0; // moments, by performance.now(): of the last answer to a button,
  progressAt = 0; // and of the last progress

  constructor(job, onAct) {
    this.element = document.getElementById("row").content.firstElementChild.cloneNode(true);
    this.element.dataset.id = job.id ?? "~"; // files stand above all jobs
    const named = [...this.element.querySelectorAll("[class]")].map((node) => [node.getAttribute("class"), node]);
    this.parts = Object.fromEntries(named);
    this.parts.act.onclick = (event) => {
      const { action } = this;
      if (action !== "cancelling" && event.detail < 2) onAct(this, action); // a double click acts once
    };
    this.parts.all.onclick = () => {
      this.parts.files.hidden = !this.parts.files.hidden;
      this.paintFiles();
    };
    this.update(job);
  }

  get ended() {
    return FINAL.includes(this.job.state);
  }

  get cancelling() {
    return this.job.state === "running" && this.job.cancel_requested_at;
  }

  get action() {
    if (!this.job.id) return this.ended ? "dismiss" : "cancel";
    if (this.ended) return this.job.state === "succeeded" ? null : "retry";
    return this.cancelling ? "cancelling" : "cancel";
  }

  get needs() {
    return this.job.needs ?? [];
  }

  /** The rows of what it needs, where known. */
  get needed() {
    return this.needs.map(({ id }) => rows.get(id)).filter(Boolean);
  }

  /** The row whose work is seen in this one: of what a blocked job waits for, or itself. */
  get live() {
    return this.job.state === "blocked" ? this.needed.find((row) => !row.ended) ?? this : this;
  }

  get name() {
    const { name, params } = this.job;
    return name ?? params?.accession ?? names.get(params?.file_id);
  }

  get title() {
    const { id, kind, result } = this.job;
    return result?.organism || result?.accession || this.name || `${kind} ${id.slice(-8)}`;
  }

  /** What it was made of, if nothing else says it. */
  get source() {
    const { title, name, job: { kind, result } } = this;
    if (kind === "genomes.download") return "download";
    return [title, result?.accession].includes(name) ? "" : name ?? "";
  }

  get word() {
    const { job: { state }, live: { job: { tries, attempts = [] } } } = this;
    const attempt = attempts.filter(({ outcome }) => outcome === "failed").length + 1;
    const again = attempt > 1 && !this.ended ? `, attempt ${attempt} of ${Math.max(attempt, tries)}` : "";
    if (state === "scheduled" && this.throttled) return "throttled";
    return (this.cancelling ? "cancelling" : WORDS[state] ?? state) + again;
  }

  get throttled() {
    return this.job.error?.code === "throttled";
  }

  get mark() {
    if (this.cancelling) return "cancelled";
    return this.job.state === "queued" && this.job.attempt ? "retrying" : this.job.state;
  }

  get progress() {
    return ["sending", "running"].includes(this.job.state) ? this.job.progress : null;
  }

  /** What stands under the bar. */
  get note() {
    if (this.progress) {
      const { step, total, done, fraction } = this.progress;
      return `${step} · ${total === 0 ? bytes(done) : `${Math.floor(100 * fraction)}\u202f%`}`;
    }
    const { state, due_at, error } = this.job;
    if (state === "scheduled") {
      if (!this.throttled) return `next attempt at ${clock(due_at)}`;
      return error.detail.replace(/(?<=until |at )[\d:]+ UTC.*/, clock(due_at));
    }
    return { sending: "waits to be sent", queued: "waits for a worker", running: "starting" }[state] ?? "";
  }

  update(job) {
    this.job = job;
    const { parts, title, live: { note, progress } } = this;
    this.element.dataset.state = this.mark;
    parts.mark.firstElementChild.setAttribute("href", `#${this.mark}`);
    parts.title.title = title;
    write(parts.title, title);
    write(parts.word, this.word);
    write(parts.accession, job.result?.accession?.replace(title, "") ?? "");
    write(parts.source, this.source);
    parts.work.hidden = this.ended;
    parts.bar.value = progress?.fraction ?? 0;
    if (progress?.total === 0) parts.bar.removeAttribute("value");
    parts.bar.setAttribute("aria-label", `Progress: ${title}`);
    parts.bar.setAttribute("aria-valuetext", note);
    write(parts.note, note);
    this.paintAge();
    this.paintNumbers();
    this.paintProblem();
    this.paintFiles();
    this.paintAction();
  }

  paintAge() {
    const { created_at, attempts } = this.job;
    const { started_at, finished_at } = attempts?.at(-1) ?? {};
    const took = this.ended && finished_at ? `, took ${duration(seconds(started_at, finished_at))}` : "";
    write(this.parts.age, age(seconds(created_at, Date.now())) + took);
    this.parts.age.dateTime = created_at;
    this.parts.age.title = `${created_at} = ${new Date(created_at).toLocaleString()}`;
  }

  paintNumbers() {
    const { parts, job: { kind, result } } = this;
    const numbers = result && NUMBERS[kind]?.(result);
    parts.facts.hidden = this.ended && !numbers;
    parts.numbers.hidden = !numbers;
    if (!numbers) return;
    numbers.unshift(["Length", basePairs(result.length_bp), `${count(result.length_bp)}\u202fbp`]);
    fill(parts.numbers, numbers, ([term, textContent, title = "", className = ""]) => [
      make("dt", { textContent: term }),
      make("dd", { textContent, title, className }),
    ]);
  }

  paintProblem() {
    const { live } = this;
    const error = live.throttled ? null : live.job.error;
    this.parts.problem.hidden = !error;
    write(this.parts["problem-title"], error?.title ?? "");
    write(this.parts["problem-detail"], error?.detail ?? "");
    const faults = error?.errors?.length > 1 ? error.errors : []; // of one alone the detail tells
    fill(this.parts["problem-faults"], faults, ({ pointer, detail }) => [`${pointer || "/"}: ${detail}`]);
  }

  paintFiles() {
    const { parts } = this;
    const files = [this, ...(this.ended ? this.needed : [])].flatMap(({ job }) => job.files ?? []);
    for (const [part, name, label] of [["report", "report.html", "Report"], ["json", "result.json"]]) {
      const file = files.find((found) => found.name === name || (files.length === 1 && !label));
      if (file) parts[part].href = file.href;
      this.offer(parts[part], file && (label ?? file.name));
    }
    this.offer(parts.all, files.length > 1 && `${files.length} files`);
    parts.files.hidden ||= files.length < 2;
    parts.all.setAttribute("aria-expanded", !parts.files.hidden);
    fill(parts.files, files, ({ href, name, size_bytes }) => [
      make("a", { href, textContent: name, target: "_blank" }),
      ` ${bytes(size_bytes)}`,
    ]);
  }

  paintAction() {
    this.offer(this.parts.act, this.action);
    this.parts.act.setAttribute("aria-disabled", this.action === "cancelling");
  }

  /** Show a control under a label, or take it away; the focus on one that goes moves to the row. */
  offer(control, label) {
    const orphaned = !label && document.activeElement === control;
    control.hidden = !label;
    if (orphaned) this.element.focus({ preventScroll: true });
    if (!label) return;
    write(control, label);
    control.setAttribute("aria-label", `${label}: ${this.title}`);
  }

  remove() {
    const next = this.element.nextElementSibling ?? document.getElementById("jobs");
    const focused = this.element.contains(document.activeElement);
    this.element.remove();
    if (focused) next.focus();
  }
}

const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

const seconds = (from, to) => (new Date(to) - new Date(from)) / 1000;

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Make the items of a list, unless it holds them already. */
function fill(list, items, content) {
  const holds = JSON.stringify(items);
  if (list.holds === holds) return;
  list.holds = holds;
  list.replaceChildren(...items.map((item) => {
    const element = make(list.tagName === "DL" ? "div" : "li");
    element.append(...content(item));
    return element;
  }));
}
