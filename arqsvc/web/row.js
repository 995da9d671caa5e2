// One job on the page: an element made once and painted in place; only what changed is written.

import { age, basePairs, bytes, clock, count, duration, percent } from "./format.js";

const FINAL = ["succeeded", "failed", "cancelled"];
const WORDS = { scheduled: "waiting to try again" };
const DOWNLOAD = "genomes.download";

/** What the numbers of a result are: term, value, the value in full, whether it is bad. */
const NUMBERS = {
  "genomes.analyze": (result) => [
    length(result),
    ["GC", percent(result.gc)],
    ["CDS", count(result.cds)],
    ["Errors", count(result.errors), "", result.errors > 0],
    ["Warnings", count(result.warnings)],
    ["Notices", count(result.notices)],
  ],
  [DOWNLOAD]: (result) => [
    length(result),
    ["Records", count(result.records)],
    ["Size", bytes(result.size_bytes), `${count(result.size_bytes)}\u202fB`],
    ["Verified, SHA-256", `${result.sha256.slice(0, 12)}…`, result.sha256],
  ],
};

const length = ({ length_bp }) => ["Length", basePairs(length_bp), `${count(length_bp)}\u202fbp`];

/** A job as the API tells it; or a file on its way to become one, which has a `name` and no `id`. */
export class Row {
  actedAt = 0; // moments, by performance.now(): of the last answer to a button,
  progressAt = 0; // and of the last progress

  constructor(job, known, onAct) {
    this.known = known; // names of files, and all rows
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

  /** Ids of the jobs that it needs. */
  get needs() {
    return (this.job.needs ?? []).map(({ id }) => id);
  }

  /** The row of what a blocked job waits for; none while nothing is known of it. */
  get awaited() {
    if (this.job.state !== "blocked") return undefined;
    return this.needs.map((id) => this.known.rows.get(id)).find((row) => row && !row.ended);
  }

  get name() {
    const { name, params } = this.job;
    return name ?? params?.accession ?? this.known.names.get(params?.file_id);
  }

  get title() {
    const { id, kind, result } = this.job;
    return result?.organism || result?.accession || this.name || `${kind} ${id.slice(-8)}`;
  }

  /** Where it came from, as far as the title does not say it. */
  get source() {
    const { title, name, job: { kind, result } } = this;
    if (kind === DOWNLOAD) return result ? `downloaded from ${result.source}` : "download";
    return !name || [title, result?.accession].includes(name) ? "" : name;
  }

  get word() {
    if (this.cancelling) return "cancelling";
    const { state, reason, tries, needs, attempts = [] } = (this.awaited ?? this).job;
    const tried = attempts.filter(({ outcome }) => outcome === "failed").length;
    const again = tried && !this.ended ? `, attempt ${tried + 1} of ${Math.max(tried + 1, tries)}` : "";
    if (this.job.state !== "blocked") return (reason === "throttled" ? reason : WORDS[state] ?? state) + again;
    return `waits for ${this.job.needs.some(({ kind }) => kind === DOWNLOAD) ? "its download" : "another job"}${again}`;
  }

  get mark() {
    if (this.cancelling) return "cancelled";
    return this.job.state === "queued" && this.job.attempt ? "retrying" : this.job.state;
  }

  get progress() {
    if (this.awaited) return this.awaited.progress;
    return ["sending", "running"].includes(this.job.state) ? this.job.progress : null;
  }

  /** What stands under the bar. */
  get note() {
    if (this.awaited) return this.awaited.note;
    if (this.progress) return `${this.progress.step} · ${amount(this.progress)}`;
    const { state, reason, due_at, error } = this.job;
    if (state === "scheduled" && reason === "throttled") {
      return error.detail.replace(/(?<= (until|at) )[\d:]+ UTC/, clock(due_at));
    }
    if (state === "scheduled") return `next attempt at ${clock(due_at)}`;
    return { sending: "waits to be sent", queued: "waits for a worker", running: "starting" }[state] ?? "";
  }

  update(job) {
    this.job = job;
    const { parts, title, note, progress } = this;
    this.element.dataset.state = this.mark;
    parts.mark.firstElementChild.setAttribute("href", `#${this.mark}`);
    parts.title.title = title;
    write(parts.title, title);
    write(parts.word, this.word);
    write(parts.accession, job.result?.accession?.replace(title, "") ?? "");
    write(parts.source, this.source);
    parts.work.hidden = this.ended;
    if (progress && unbounded(progress)) parts.bar.removeAttribute("value");
    else parts.bar.value = progress?.fraction ?? 0;
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
    const numbers = result ? NUMBERS[kind]?.(result) ?? [] : [];
    parts.facts.hidden = this.ended && !numbers.length;
    parts.numbers.hidden = !numbers.length;
    fill(parts.numbers, numbers, ([term, value, title = "", bad = false]) => [
      make("dt", { textContent: term }),
      make("dd", { textContent: value, title, className: bad ? "bad" : "" }),
    ]);
  }

  paintProblem() {
    const { error: found, reason } = (this.awaited ?? this).job;
    const error = reason === "throttled" ? null : found; // to wait is no problem
    this.parts.problem.hidden = !error;
    write(this.parts["problem-title"], error?.title ?? "");
    write(this.parts["problem-detail"], error?.detail ?? "");
    const faults = error?.errors?.length > 1 ? error.errors : []; // of one alone the detail tells
    fill(this.parts["problem-faults"], faults, ({ pointer, detail }) => [`${pointer || "/"}: ${detail}`]);
  }

  paintFiles() {
    const { parts } = this;
    const files = [...this.job.files ?? [], ...this.needs.flatMap((id) => this.known.rows.get(id)?.job.files ?? [])];
    const named = (name) => files.find((file) => file.name === name);
    const only = files.length === 1 ? files[0] : null;
    for (const [part, file] of [["report", named("report.html")], ["json", named("result.json") ?? only]]) {
      if (file) parts[part].href = file.href;
      this.offer(parts[part], file && (part === "json" ? file.name : "Report"));
    }
    this.offer(parts.all, files.length > 1 && `${files.length} files`);
    parts.files.hidden ||= files.length < 2;
    parts.all.setAttribute("aria-expanded", !parts.files.hidden);
    fill(parts.files, files, ({ href, name, size_bytes }) => [
      make("a", { href, textContent: name, target: "_blank", rel: "noopener" }),
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

/** Whether nobody knows how much it will be. */
const unbounded = ({ unit, total }) => unit === "bytes" && !total;

function amount(progress) {
  if (unbounded(progress)) return bytes(progress.done);
  const part = `${Math.floor(100 * progress.fraction)}\u202f%`;
  return progress.unit === "bytes" ? `${part} of ${bytes(progress.total)}` : part;
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
