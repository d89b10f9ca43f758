"use strict";

(() => {
  const form = document.getElementById("scan");
  if (!form) return;

  const input = document.getElementById("code");
  const result = document.getElementById("result");
  const count = document.getElementById("count");
  const expected = document.getElementById("expected");
  const undo = document.getElementById("undo");
  const token = document.querySelector("meta[name=csrf-token]").content;
  const refusals = document.getElementById("refusals");
  const queue = [];
  let parent = form.dataset.parent;
  let sending = false;

  const focus = () => input.focus({ preventScroll: true });

  const show = (state, text) => {
    result.className = `result ${state}`;
    result.textContent = text;
    if (state !== "waiting" && navigator.vibrate) navigator.vibrate(state === "accepted" ? 60 : [120, 80, 120]);
  };

  // The next answer covers the banner, perhaps at once: a refused bag stays named here.
  const keepRefusal = (code, message) => {
    const named = message.toUpperCase().includes(code.toUpperCase());
    const item = document.createElement("li");
    item.textContent = named ? message : `${code}: ${message}`;
    refusals.querySelector("ol").prepend(item);
    refusals.hidden = false;
  };

  const showCount = (answer) => {
    if (typeof answer.child_count !== "number") return;
    count.textContent = answer.child_count;
    if (answer.expected_count) expected.textContent = answer.expected_count;
  };

  // Without loading a page: a code being typed meanwhile would lose its first letters to the old one.
  const goOnToChildren = (answer) => {
    parent = answer.parent_qr;
    document.getElementById("parent").textContent = parent;
    document.getElementById("prompt").textContent = "Scan a child bag";
    for (const part of [document.querySelector(".parent"), document.getElementById("filling")]) part.hidden = false;
    history.replaceState(null, "", answer.redirect);
  };

  const newId = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  };

  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  // The same scan_id goes with every try, so a try whose answer was lost is not counted twice.
  const post = async (path, body) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await fetch(path, {
          method: "POST",
          headers: { "Content-Type": "application/json", "X-CSRFToken": token },
          body: JSON.stringify(body),
        });
        if (response.status === 401) {
          return { success: false, message: "NOT SAVED: you are logged out. Log in (Home) and scan it again." };
        }
        if (response.status < 500) return await response.json();
      } catch (error) {
        // No network: try again below.
      }
      if (attempt === 20) return { success: false, message: "NOT SAVED: no connection. Scan it again." };
      show("waiting", `${body.qr_code || ""} no connection, trying again…`);
      await pause(Math.min(300 * attempt, 3000));
    }
  };

  // What a code means is settled when its turn comes: one typed before its parent's answer is a child of that parent.
  const request = (code, scan_id) => {
    if (code === null) return post("/api/unlink_child", { parent_qr: parent, scan_id });
    if (parent) return post("/process_child_scan_fast", { qr_code: code, scan_id, parent_qr: parent });
    return post("/api/fast_parent_scan", { qr_code: code, scan_id });
  };

  const send = async () => {
    if (sending) return;
    sending = true;
    while (queue.length > 0) {
      const { code, scan_id } = queue[0];
      const opening = !parent;
      show("waiting", `${code || "Undo"} …`);
      const answer = await request(code, scan_id);
      queue.shift();
      const message = answer.message || "Refused";
      show(answer.success ? "accepted" : "refused", message);
      showCount(answer);
      if (!answer.success) keepRefusal(code || "Undo", message);
      else if (opening) goOnToChildren(answer);
    }
    sending = false;
    focus();
  };

  const add = (code) => {
    queue.push({ code, scan_id: newId() });
    send();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const code = input.value.trim();
    input.value = "";
    focus();
    if (code) add(code);
  });

  undo.addEventListener("click", () => add(null));

  window.addEventListener("beforeunload", (event) => {
    if (queue.length > 0) event.preventDefault();
  });

  // A scanner types wherever the focus is: keep it in the field.
  input.addEventListener("blur", () => setTimeout(focus, 100));
  document.addEventListener("visibilitychange", focus);
  focus();
})();
