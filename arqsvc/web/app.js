// The page: files and accessions become jobs, the list follows all of them, two streams bring the running ones live.

import { events, fileName, get, post, Problem, upload } from "./api.js";
import { bytes, clock } from "./format.js";
import { names, Row, rows } from "./row.js";

const KIND = "genomes.analyze";
const POLL_MS = 5000;
const PAGE = 50;
/** Streams at a time: a browser opens six connections to a host over HTTP/1.1, and all windows share them. */
const STREAMS = 2;

const $ = (id) => document.getElementById(id);
const streams = new Map(); // by id of the job
const page = { cursor: null, polling: false, again: false, timer: 0, seenAt: null, sending: Promise.resolve() };

/** Look at the newest jobs now, and every 5 s from now on while the page is visible. */
async function poll() {
  clearTimeout(page.timer);
  page.again = page.polling;
  if (page.polling || document.hidden) return;
  page.polling = true;
  try {
    await look();
    connected();
    paintPage();
  } catch (error) {
    disconnected(error);
  } finally {
    page.polling = false;
    page.timer = setTimeout(poll, page.again ? 0 : POLL_MS);
  }
}

async function look() {
  const asked = performance.now();
  const { items, next_cursor } = await get(`/jobs?limit=${PAGE}`);
  if (!items.some((job) => rows.has(job.id))) startOver(next_cursor, asked);
  for (const job of items) show(job, asked);
  const listed = new Set(items.map((job) => job.id));
  const beyond = new Set(); // the first page
  for (const row of rows.values()) {
    row.paintAge();
    for (const { id } of [row.job, ...row.needs]) if (!listed.has(id) && !(row.ended && rows.has(id))) beyond.add(id);
  }
  for (const id of beyond) show(await get(`/jobs/${id}`), asked);
  follow();
}

/** Forget what is shown: it lies more than a page behind the newest. */
function startOver(cursor, asked) {
  for (const [id, row] of rows) {
    if (row.actedAt > asked) continue;
    rows.delete(id);
    row.remove();
  }
  page.cursor = cursor;
}

async function loadMore() {
  const asked = performance.now();
  try {
    const { items, next_cursor } = await get(`/jobs?limit=${PAGE}&cursor=${page.cursor}`);
    for (const job of items) show(job, asked);
    items.map((job) => rows.get(job.id).element).find((row) => !row.hidden)?.focus({ preventScroll: true });
    page.cursor = next_cursor;
  } catch (error) {
    disconnected(error);
  }
  follow();
  paintPage();
}

/** Show a job as the API said it, to a question asked at `asked`. */
function show(job, asked) {
  const row = rows.get(job.id);
  if (!row) add(new Row(job, act));
  else if (row.actedAt <= asked) {
    const before = row.word;
    change(row, row.progressAt > asked && job.state === "running" ? { ...job, progress: row.job.progress } : job);
    if (row.word !== before && !row.element.hidden) say(`${row.word}: ${row.title}`);
  }
  findName(rows.get(job.id));
}

/** Put a row in its place; what another row needs is seen in that one alone, which is above it. */
function add(row) {
  const { id } = row.job;
  rows.set(id, row);
  const older = [...$("list").children].find((element) => element.dataset.id < id) ?? null;
  $("list").insertBefore(row.element, older);
  row.element.hidden = needing(id).length;
  change(row, row.job);
}

const needing = (id) => [...rows.values()].filter((row) => row.needs.some((need) => need.id === id));

/** Paint a row anew, and those that show it as theirs. */
function change(row, job) {
  row.update(job);
  for (const other of needing(job.id)) other.update(other.job);
}

/** Ask for the name of a job's file where nothing else says what the job works on. */
async function findName(row) {
  const id = row.job.params.file_id;
  if (!id || names.has(id) || row.job.result?.organism) return;
  names.set(id, null);
  names.set(id, await fileName(id).catch(() => null));
  row.update(row.job);
}

/** Keep streams open to what runs first, then to what waits longest; what is blocked has none. */
function follow() {
  for (const [id, stream] of streams) {
    if (rows.has(id) && !rows.get(id).ended && stream.readyState !== EventSource.CLOSED) continue;
    stream.close();
    streams.delete(id);
  }
  const dull = (row) => row.ended || row.job.state === "blocked" || streams.has(row.job.id);
  const place = (row) => (row.job.state === "running" ? "" : "~") + row.job.id;
  const active = [...rows.values()].filter((row) => !dull(row)).sort((a, b) => (place(a) < place(b) ? -1 : 1));
  for (const row of active.slice(0, STREAMS - streams.size)) open(row);
}

function open(row) {
  const stream = events(row.job.id);
  streams.set(row.job.id, stream);
  stream.addEventListener("progress", (event) => {
    row.progressAt = performance.now();
    change(row, { ...row.job, state: "running", progress: JSON.parse(event.data).data });
  });
  stream.addEventListener("state", poll); // the story is told from its beginning; how it stands now, the list says
}

function unfollow() {
  for (const stream of streams.values()) stream.close();
  streams.clear();
}

/** Take files: a row for each at once, one upload at a time. */
function take(files) {
  for (const file of files) {
    const stop = new AbortController();
    const sending = { state: "sending", name: file.name, created_at: new Date().toISOString() };
    const row = new Row(sending, () => {
      stop.abort();
      row.remove();
      paintPage();
    });
    $("list").prepend(row.element);
    page.sending = page.sending.then(() => submit(row, file, stop.signal));
  }
  if (files.length) say(`sending: ${files.map((file) => file.name).join(", ")}`);
  paintPage();
}

async function submit(row, file, signal) {
  try {
    const progress = (fraction) => row.update({ ...row.job, progress: { step: bytes(file.size), fraction } });
    const stored = await upload(file, progress, signal);
    names.set(stored.id, stored.name);
    become(row, await post(`/jobs/${KIND}`, { params: { file_id: stored.id } }));
  } catch (error) {
    if (signal.aborted) return;
    const { title = "This page has a fault", message: detail, errors } = error;
    row.update({ ...row.job, state: "failed", error: { title, detail, errors } });
    say(`failed: ${file.name}`);
    if (error.status === 401) disconnected(error);
  }
}

/** Ask for an analysis of each accession in the field; what is refused goes back, above the API's words. */
async function order(event) {
  event.preventDefault();
  const field = $("accession");
  const left = new Set(field.value.match(/[^\s,;]+/g));
  const words = new Set();
  field.value = $("refused").textContent = ""; // so that pressing twice asks once
  for (const accession of [...left]) {
    try {
      enter(await post(`/jobs/${KIND}`, { params: { accession } }));
      left.delete(accession);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      for (const { detail } of error.errors ?? [error]) words.add(detail);
      if (error.status !== 422) break;
    }
  }
  if (left.size) field.value = [...left, field.value].join(" ").trim();
  field.setAttribute("aria-invalid", left.size > 0);
  $("refused").textContent = [...words].join("\n");
  poll();
}

/** Show the job that an answer brought, and return its row. */
function enter(job) {
  show(job, performance.now());
  const row = rows.get(job.id);
  row.actedAt = performance.now();
  say(`${row.word}: ${row.title}`);
  paintPage();
  return row;
}

/** Put a job in the place of the file that it came from. */
function become(sent, job) {
  const focused = sent.element.contains(document.activeElement);
  sent.element.remove();
  const row = enter(job);
  if (focused) row.element.focus({ preventScroll: true });
  follow();
}

async function act(row, verb) {
  try {
    enter(await post(`/jobs/${row.job.id}/${verb}`));
  } catch (error) {
    if (error.status === 409) say(error.detail);
    else disconnected(error);
  }
  poll();
}

function say(text) {
  $("status").textContent = text;
}

function connected() {
  if ($("connection").dataset.state === "away") say("The service is back.");
  page.seenAt = Date.now();
  connection("live", "live");
}

/** Say that the service is away, refuses or wants a login; what is shown stays. */
function disconnected(error) {
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401) {
    connection("signed-out", "signed out");
    unfollow();
    return;
  }
  if ($("connection").dataset.state !== "away") say(`${error.title}. ${error.detail} Trying again.`);
  connection("away", page.seenAt ? `reconnecting · as of ${clock(page.seenAt)}` : "reconnecting");
}

function connection(state, text) {
  $("signed-out").hidden = state !== "signed-out";
  $("signed-in").hidden = state === "signed-out";
  $("connection").dataset.state = state;
  $("connection").textContent = text;
}

function paintPage() {
  $("empty").hidden = !page.seenAt || $("list").childElementCount > 0;
  $("more").hidden = !page.cursor;
}

$("file").onchange = (event) => {
  take([...event.target.files]);
  event.target.value = ""; // the same file may be chosen again
};
$("order").onsubmit = order;
$("accession").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) order(event);
};
$("more").onclick = loadMore;
document.ondragover = (event) => event.preventDefault();
document.ondragenter = () => $("drop").classList.add("over-it");
document.ondragleave = (event) => event.relatedTarget ?? $("drop").classList.remove("over-it");
document.ondrop = (event) => {
  event.preventDefault();
  $("drop").classList.remove("over-it");
  if (!$("signed-in").hidden) take([...event.dataTransfer.files]);
};
document.onvisibilitychange = () => {
  if (document.hidden) unfollow();
  else poll();
};
poll();
