// Makes a session of the token behind the `#`, which no server, log or link preview has seen.

import { post } from "./api.js";

async function signIn() {
  const token = new URLSearchParams(location.hash.slice(1)).get("t");
  history.replaceState(null, "", location.pathname); // it is worth nothing any more, and need not be kept
  try {
    if (!token) throw new Error("This address has no token in it.");
    await post("/session", { token });
    location.replace("/");
  } catch (error) {
    document.querySelector("main > section").hidden = false;
    document.querySelector("[role=alert]").textContent = error.message;
  }
}

onhashchange = signIn; // another link was opened in this tab
signIn();
