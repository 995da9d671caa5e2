// The public API, as the page uses it; all that it refuses comes as a Problem.

const API = "/api/v1";
const DEADLINE_MS = 15_000;

/** What the API said no with (RFC 9457); status 0 when nothing answered. */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? "It gave no reason.");
    this.status = status;
    this.title = body?.title ?? `The service answered with status ${status}`;
    this.detail = this.message;
    this.errors = body?.errors;
  }
}

const AWAY = { title: "The service does not answer", detail: "arqsvc is not running, or the connection to it is broken." };

async function request(path, options) {
  try {
    return await fetch(API + path, { ...options, signal: AbortSignal.timeout(DEADLINE_MS) });
  } catch {
    throw new Problem(0, AWAY);
  }
}

async function answer(response) {
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Problem(response.status, body);
  if (body === null) throw new Problem(0, AWAY); // it broke off in the middle
  return body;
}

export const get = async (path) => answer(await request(path));

export const post = async (path, body) => answer(await request(path, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: body && JSON.stringify(body),
}));

/** The name under which a file was sent, or null; a job says only the file's id. */
export async function fileName(id) {
  const response = await request(`/files/${id}`, { method: "HEAD" });
  const named = /filename\*?=(?:utf-8''|")([^";]+)/.exec(response.headers.get("Content-Disposition"));
  return named && decodeURIComponent(named[1]);
}

/** Send a file and return what the API stored; `onProgress` hears which fraction is gone. */
export async function upload(file, onProgress, signal) {
  signal.throwIfAborted();
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new Problem(0, { title: "Not a file", detail: "It is a folder, or cannot be read. Choose the files in it." });
  });
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest(); // fetch does not tell how much is sent
    sending.responseType = "json";
    sending.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    sending.onload = () => {
      if (sending.status === 201) resolve(sending.response);
      else reject(new Problem(sending.status, sending.response));
    };
    sending.onerror = () => reject(new Problem(0, {
      title: "The file did not arrive",
      detail: "The connection broke while it was sent. If the service is there, the file may be over its size limit.",
    }));
    sending.onabort = () => reject(signal.reason);
    signal.onabort = () => sending.abort();
    sending.open("POST", `${API}/files?name=${encodeURIComponent(file.name)}`);
    sending.send(file);
  });
}

/** The events of one job, for as long as nobody closes them. */
export const events = (id) => new EventSource(`${API}/jobs/${id}/events`);
