// Names of projects below a search box while somebody types (the combobox pattern of WAI-ARIA). Without this file the
// box is a form that leads to the page of results, as it still is with it.
"use strict";

const NAMES_AT_MOST = 8;
const REST_MILLISECONDS = 120; // after the last key

class Suggestions {
  constructor(input) {
    this.input = input;
    this.list = document.createElement("ul");
    this.list.id = `${input.id}-names`;
    this.list.className = "suggestions";
    this.list.hidden = true;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Projects");
    input.form.append(this.list);
    const roles = { role: "combobox", "aria-autocomplete": "list", "aria-controls": this.list.id };
    Object.entries(roles).forEach(([name, value]) => input.setAttribute(name, value));
    this.close();
    input.addEventListener("input", () => this.wait());
    input.addEventListener("keydown", (event) => this.press(event));
    input.addEventListener("blur", () => this.close());
    this.list.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
    this.list.addEventListener("click", (event) => this.open(event.target.closest("[role=option]")));
  }

  wait() {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.ask(), REST_MILLISECONDS);
  }

  async ask() {
    this.asking?.abort();
    this.asking = new AbortController();
    const text = this.input.value.trim();
    if (!text) {
      this.close();
      return;
    }
    try {
      const address = `/search.json?q=${encodeURIComponent(text)}`;
      const answer = await fetch(address, { signal: this.asking.signal });
      const found = answer.ok ? (await answer.json()).projects : [];
      this.show(document.activeElement === this.input ? found.slice(0, NAMES_AT_MOST) : []);
    } catch {
      // somebody typed on, or there is no network: the form works as ever
    }
  }

  show(projects) {
    this.close();
    this.list.replaceChildren(...projects.map((project, place) => this.option(project, place)));
    this.list.hidden = projects.length === 0;
    this.input.setAttribute("aria-expanded", String(projects.length > 0));
  }

  option(project, place) {
    const option = document.createElement("li");
    const name = document.createElement("span");
    const summary = document.createElement("span");
    option.id = `${this.list.id}-${place}`;
    option.dataset.url = project.url;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    name.className = "name";
    name.textContent = project.name;
    summary.className = "soft small";
    summary.textContent = project.summary;
    option.append(name, summary);
    return option;
  }

  press(event) {
    const options = [...this.list.children];
    if (event.key === "Escape" && !this.list.hidden) {
      event.preventDefault();
      this.close();
    } else if (event.key === "Enter" && this.chosen >= 0) {
      event.preventDefault();
      this.open(options[this.chosen]);
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !this.list.hidden) {
      event.preventDefault();
      // one place more than there are options: the box itself
      const places = options.length + 1;
      const step = event.key === "ArrowDown" ? 1 : places - 1;
      this.choose(options, ((this.chosen + 1 + step) % places) - 1);
    }
  }

  choose(options, place) {
    this.chosen = place;
    options.forEach((option, other) => option.setAttribute("aria-selected", String(other === place)));
    if (place < 0) {
      this.input.removeAttribute("aria-activedescendant");
    } else {
      this.input.setAttribute("aria-activedescendant", options[place].id);
      options[place].scrollIntoView({ block: "nearest" });
    }
  }

  open(option) {
    if (option) {
      window.location.assign(option.dataset.url);
    }
  }

  close() {
    this.chosen = -1;
    this.list.hidden = true;
    this.list.replaceChildren();
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}

document.querySelectorAll("form.search input[type=search]").forEach((input) => new Suggestions(input));
