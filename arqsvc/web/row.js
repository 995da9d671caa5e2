// One job on the page: an element made once and painted in place; only what changed is written.

import { age, basePairs, bytes, clock, count, duration, percent } from "./format.js";

const FINAL = ["succeeded", "failed", "cancelled"];
const WORDS = { blocked: "waiting for another job", scheduled: "waiting to try again" };

/** A job as the API tells it; or a file on its way to become one, which has a `name` and no `id`. */
export class Row {
  actedAt = 0; // moments, by performance.now(): of the last answer to a button,
  progressAt = 0; // and of the last progress

  constructor(job, names, onAct) {
    this.names = names;
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

  get name() {
    return this.job.name ?? this.names.get(this.job.params?.file_id);
  }

  get title() {
    const { id, kind, result } = this.job;
    return result?.organism || result?.accession || this.name || `${kind} ${id.slice(-8)}`;
  }

  get word() {
    const { state, attempt, tries } = this.job;
    const again = attempt > 1 && !this.ended ? `, attempt ${attempt} of ${Math.max(attempt, tries)}` : "";
    return (this.cancelling ? "cancelling" : WORDS[state] ?? state) + again;
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
    if (this.progress) return `${this.progress.step} · ${Math.floor(100 * this.progress.fraction)}\u202f%`;
    const { state, due_at } = this.job;
    if (state === "scheduled") return `next attempt at ${clock(due_at)}`;
    return { sending: "waits to be sent", queued: "waits for a worker", running: "starting" }[state] ?? "";
  }

  update(job) {
    this.job = job;
    const { parts, title, name, note } = this;
    this.element.dataset.state = this.mark;
    parts.mark.firstElementChild.setAttribute("href", `#${this.mark}`);
    parts.title.title = title;
    write(parts.title, title);
    write(parts.word, this.word);
    write(parts.accession, job.result?.accession ?? "");
    write(parts.source, name && name !== title ? name : "");
    parts.work.hidden = this.ended;
    parts.bar.value = this.progress?.fraction ?? 0;
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
    const { parts, job: { result } } = this;
    parts.facts.hidden = this.ended && !result;
    parts.numbers.hidden = !result;
    if (!result) return;
    write(parts.length, basePairs(result.length_bp));
    parts.length.title = `${count(result.length_bp)}\u202fbp`;
    write(parts.gc, percent(result.gc));
    for (const name of ["cds", "errors", "warnings", "notices"]) write(parts[name], count(result[name]));
    parts.errors.dataset.some = result.errors > 0;
  }

  paintProblem() {
    const { error } = this.job;
    this.parts.problem.hidden = !error;
    write(this.parts["problem-title"], error?.title ?? "");
    write(this.parts["problem-detail"], error?.detail ?? "");
    const faults = error?.errors?.length > 1 ? error.errors : []; // of one alone the detail tells
    fill(this.parts["problem-faults"], faults, ({ pointer, detail }) => [`${pointer || "/"}: ${detail}`]);
  }

  paintFiles() {
    const { parts, title, job: { files = [] } } = this;
    for (const [part, name] of [["report", "report.html"], ["json", "result.json"]]) {
      const file = files.find((found) => found.name === name);
      if (file) parts[part].href = file.href;
      this.offer(parts[part], file && parts[part].textContent);
    }
    this.offer(parts.all, files.length && `${files.length} files`);
    parts.files.hidden ||= !files.length;
    parts.all.setAttribute("aria-expanded", !parts.files.hidden);
    fill(parts.files, files, ({ href, name, size_bytes }) => {
      const link = document.createElement("a");
      Object.assign(link, { href, textContent: name, target: "_blank", rel: "noopener" });
      return [link, ` ${bytes(size_bytes)}`];
    });
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
    const element = document.createElement("li");
    element.append(...content(item));
    return element;
  }));
}
