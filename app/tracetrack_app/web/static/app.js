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
  const isChild = form.dataset.mode === "child";
  const queue = [];
  let sending = false;

  const focus = () => input.focus({ preventScroll: true });

  const show = (state, text) => {
    result.className = `result ${state}`;
    result.textContent = text;
    if (state !== "waiting" && navigator.vibrate) navigator.vibrate(state === "accepted" ? 60 : [120, 80, 120]);
  };

  const showCount = (answer) => {
    if (!count || typeof answer.child_count !== "number") return;
    count.textContent = answer.child_count;
    if (answer.expected_count) expected.textContent = answer.expected_count;
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
          window.location.assign("/login");
          return null;
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

  const send = async () => {
    if (sending) return;
    sending = true;
    while (queue.length > 0) {
      const { path, body } = queue[0];
      show("waiting", `${body.qr_code || "Undo"} …`);
      const answer = await post(path, body);
      queue.shift();
      if (answer === null) return;
      show(answer.success ? "accepted" : "refused", answer.message || "Refused");
      showCount(answer);
      if (answer.success && answer.redirect && queue.length === 0) {
        window.location.assign(answer.redirect);
        return;
      }
    }
    sending = false;
    focus();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const code = input.value.trim();
    input.value = "";
    focus();
    if (!code) return;
    const body = { qr_code: code, scan_id: newId() };
    if (isChild) body.parent_qr = form.dataset.parent;
    queue.push({ path: isChild ? "/process_child_scan_fast" : "/api/fast_parent_scan", body });
    send();
  });

  if (undo) {
    undo.addEventListener("click", () => {
      queue.push({ path: "/api/unlink_child", body: { parent_qr: form.dataset.parent, scan_id: newId() } });
      send();
    });
  }

  // A scanner types wherever the focus is: keep it in the field.
  input.addEventListener("blur", () => setTimeout(focus, 100));
  document.addEventListener("visibilitychange", focus);
  focus();
})();
