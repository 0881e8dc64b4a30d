// What the script that draws the console leaves open: keys reach it at once; it says why a console has ended; it asks
// before the page is left, since a key that deletes a word in a terminal (ctrl+w) closes a browser's tab; and it takes
// files by a link, for a window that opens by itself may be blocked.
"use strict";

const LOST =
  "The connection to the console is lost. No blast is harmed. Reload this page; if that does not help, " +
  "start `passbell console --web` again.";

const STRANGER =
  "This browser is not signed in: an address works once. Press Enter where `passbell console --web` runs, and " +
  "open the new address that it prints.";

window.WebSocket = class extends window.WebSocket {
  constructor(url) {
    const proof = localStorage.getItem("proof");
    super(url, proof ? ["passbell", proof] : []);
    let why = proof ? LOST : STRANGER;
    this.addEventListener("message", (event) => {
      if (typeof event.data !== "string") return;
      const [kind, words] = JSON.parse(event.data);
      if (kind === "ended") why = words;
    });
    const ask = (event) => event.preventDefault();
    this.addEventListener("open", () => {
      window.addEventListener("beforeunload", ask);
      document.querySelector(".xterm-helper-textarea").focus();
    });
    this.addEventListener("close", () => {
      window.removeEventListener("beforeunload", ask);
      document.getElementById("ended").textContent = why;
    });
  }
};

const openWindow = window.open.bind(window);
window.open = (url, ...more) => {
  if (!String(url).startsWith(`${location.origin}/download/`)) return openWindow(url, ...more);
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  link.click();
  return null;
};
