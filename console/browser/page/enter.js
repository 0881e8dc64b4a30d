// Keeps what opens a console where each tab of this browser finds it, and no page of another port does: a cookie is
// shown to all ports of a machine.
"use strict";

localStorage.setItem("proof", document.currentScript.dataset.proof);
location.replace("/");
