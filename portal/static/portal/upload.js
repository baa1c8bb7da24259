// Sends the files of a form in chunks before the form itself, with progress; a broken connection is gone on
// from where it ended, also after a reload. Without this file the form sends them in one piece.
"use strict";

(() => {
  const CHUNK = 4 * 1024 * 1024;
  const TRIES = 6;
  const LEFT_BEHIND = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  class Refused extends Error {}

  // What broke off earlier is remembered by the browser, where it lets us.
  const kept = (act) => {
    try {
      return act(window.localStorage);
    } catch {
      return null;
    }
  };

  class Sender {
    constructor(form) {
      this.form = form;
      this.base = form.dataset.upload;
      this.token = form.querySelector("[name=csrfmiddlewaretoken]").value;
      this.panel = form.querySelector("[data-upload-state]");
      this.words = form.querySelector("[data-upload-words]");
      this.bar = form.querySelector("[data-upload-bar]");
      this.again = form.querySelector("[data-upload-again]");
      this.stop = form.querySelector("[data-upload-stop]");
      this.done = new Map(); // file -> id of its finished upload
      this.stopped = false;
      this.stop.addEventListener("click", () => {
        this.stopped = true;
        if (this.abort) this.abort.abort();
      });
      this.again.addEventListener("click", () => this.run());
    }

    files() {
      const found = [];
      for (const input of this.form.querySelectorAll("input[type=file][data-into]")) {
        for (const file of input.files) {
          if (!LEFT_BEHIND.has(file.name)) found.push({ file, into: input.dataset.into });
        }
      }
      return found;
    }

    async run() {
      if (this.running) return;
      this.running = true;
      try {
        await this.all();
      } finally {
        this.running = false;
      }
    }

    async all() {
      const files = this.files();
      const total = files.reduce((sum, { file }) => sum + file.size, 0) || 1;
      let before = 0;
      this.stopped = false;
      this.panel.hidden = false;
      this.again.hidden = true;
      this.stop.hidden = false;
      try {
        for (const [place, { file }] of files.entries()) {
          const told = (sent) => {
            const share = (before + sent) / total;
            this.bar.value = share;
            this.say(`Uploading ${file.name}, file ${place + 1} of ${files.length}: ${Math.floor(share * 100)} %`);
          };
          if (!this.done.has(file)) this.done.set(file, await this.send(file, told));
          before += file.size;
        }
      } catch (error) {
        this.stop.hidden = true;
        this.again.hidden = false;
        this.say(this.stopped ? "Stopped. What has arrived stays; continue when you like." : error.message);
        return;
      }
      this.hand(files);
    }

    // The form goes on its way with the ids of the uploads in place of the files.
    hand(files) {
      this.bar.value = 1;
      this.say("Everything has arrived.");
      const ids = new Map();
      for (const { file, into } of files) {
        if (!ids.has(into)) ids.set(into, []);
        ids.get(into).push(this.done.get(file));
      }
      for (const [into, found] of ids) {
        const hidden = this.form.elements[into];
        hidden.value = hidden.value ? `${hidden.value};${found.join(",")}` : found.join(",");
      }
      for (const input of this.form.querySelectorAll("input[type=file][data-into]")) input.disabled = true;
      this.form.submit();
    }

    say(words) {
      if (this.words.textContent !== words) this.words.textContent = words;
    }

    async send(file, told) {
      const name = file.webkitRelativePath || file.name;
      const memory = `upload:${this.base}:${name}:${file.size}:${file.lastModified}`;
      let state = await this.known(memory);
      if (!state) {
        const body = new FormData();
        body.append("name", name);
        body.append("size", file.size);
        state = await this.ask("POST", this.base, body);
        kept((store) => store.setItem(memory, state.id));
      }
      const place = `${this.base}${state.id}/`;
      while (state.received < file.size) {
        told(state.received);
        const chunk = file.slice(state.received, state.received + CHUNK);
        state = await this.ask("PATCH", `${place}?offset=${state.received}`, chunk, place);
      }
      told(file.size);
      if (!state.finished) state = await this.ask("POST", `${place}finish/`, new FormData());
      kept((store) => store.removeItem(memory));
      return state.id;
    }

    // An upload of the same file that broke off earlier, in this page or before.
    async known(memory) {
      const id = kept((store) => store.getItem(memory));
      if (!id) return null;
      try {
        return await this.ask("GET", `${this.base}${id}/`);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        kept((store) => store.removeItem(memory));
        return null;
      }
    }

    // Asks until there is an answer; a chunk that is not where the service is goes on from there.
    async ask(method, url, body, place) {
      for (let attempt = 1; ; attempt += 1) {
        if (this.stopped) throw new Error("Stopped.");
        try {
          this.abort = new AbortController();
          const headers = { "X-CSRFToken": this.token };
          if (method === "PATCH") headers["Content-Type"] = "application/octet-stream";
          const answer = await fetch(url, { method, body, headers, signal: this.abort.signal, redirect: "manual" });
          if (answer.ok) return await answer.json();
          if (answer.status === 409 && place) return await this.ask("GET", place);
          if (answer.type === "opaqueredirect" || answer.status === 403) {
            throw new Refused("You are signed out. Sign in again in another tab, then continue here.");
          }
          if (answer.status < 500) {
            const told = await answer.json().catch(() => ({}));
            throw new Refused(told.detail || "The service does not take this file.");
          }
        } catch (error) {
          if (error instanceof Refused || this.stopped) throw error;
        }
        if (attempt >= TRIES) throw new Error("The connection is broken. What has arrived stays; continue when it is back.");
        this.say(`The connection broke; trying again (${attempt} of ${TRIES - 1}).`);
        await wait(Math.min(500 * 2 ** attempt, 10_000));
      }
    }
  }

  // Names of the columns of a text table or of JSON Lines, by its first line.
  const columns = async (file) => {
    const head = await file.slice(0, 65_536).text();
    const line = head.split(/\r?\n/, 1)[0];
    if (line.length > 20_000 || /[\u0000-\u0008\ufffd]/.test(line)) return [];
    if (line.startsWith("{")) {
      try {
        return Object.keys(JSON.parse(line));
      } catch {
        return [];
      }
    }
    const delimiter = [",", ";", "\t", "|"].sort((a, b) => line.split(b).length - line.split(a).length)[0];
    return line.split(delimiter).map((cell) => cell.trim().replace(/^"|"$/g, ""));
  };

  // Suggestions for the fields below: the columns of every file that is chosen.
  const suggest = async (form) => {
    const list = document.getElementById("columns");
    const files = [...form.querySelectorAll("[data-columns]")].flatMap((input) => [...input.files]);
    const names = new Set((await Promise.all(files.map(columns))).flat());
    list?.replaceChildren(
      ...[...names].slice(0, 1000).map((name) => {
        const option = document.createElement("option");
        option.value = name;
        return option;
      }),
    );
  };

  for (const form of document.querySelectorAll("form[data-upload]")) {
    const sender = new Sender(form);
    form.addEventListener("submit", (event) => {
      if (event.submitter?.name === "afresh") form.querySelectorAll("input[type=file]").forEach((each) => { each.value = ""; });
      if (!sender.files().length) return;
      event.preventDefault();
      sender.run();
    });
    for (const input of form.querySelectorAll("[data-columns]")) {
      input.addEventListener("change", () => suggest(form));
    }
  }
})();
