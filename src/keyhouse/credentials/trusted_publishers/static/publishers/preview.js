// Brings what a publisher would take up to date while somebody types. Without this file the button "Preview" does it.
"use strict";

const PAUSE_MILLISECONDS = 400; // after the last key

class Preview {
  constructor(form) {
    this.form = form;
    form.addEventListener("input", () => this.wait());
  }

  wait() {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.ask(), PAUSE_MILLISECONDS);
  }

  async ask() {
    this.asking?.abort();
    this.asking = new AbortController();
    try {
      const answer = await fetch(this.form.dataset.preview, {
        method: "POST",
        body: new FormData(this.form),
        signal: this.asking.signal,
      });
      // somewhere else (to a proof, say) means that the form has to be sent by hand
      if (answer.ok && !answer.redirected) this.show(await answer.text());
    } catch {
      // somebody typed on, or there is no network: the button works as ever
    }
  }

  show(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const fresh = page.querySelector("#preview");
    const old = document.querySelector("#preview");
    if (fresh && old && fresh.textContent !== old.textContent) old.replaceChildren(...fresh.childNodes);
    this.fill(page);
  }

  // the lines to copy keep their places and their buttons
  fill(page) {
    const fresh = page.querySelectorAll("#lines pre");
    document.querySelectorAll("#lines pre").forEach((block, place) => {
      if (fresh[place]) block.textContent = fresh[place].textContent;
    });
  }
}

document.querySelectorAll("form[data-preview]").forEach((form) => new Preview(form));
