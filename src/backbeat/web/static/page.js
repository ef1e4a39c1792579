// Keeps the chosen song in the browser, and plays its moments.
(() => {
  let kept = null; // the song's address within this browser

  const keep = async (file) => {
    if (kept) URL.revokeObjectURL(kept);
    kept = null;
    if (!file || !file.url) return;
    // Before it is classified: then the server removes it.
    const reply = await fetch(file.url);
    if (reply.ok) kept = URL.createObjectURL(await reply.blob());
  };

  // Files that are too large are refused before they are sent.
  const refuse = (event, files) => {
    const tab = event.target.closest?.('[role="tabpanel"]') ?? document;
    const limits = tab.querySelector("[data-bytes]");
    if (!limits) return;
    const large = [...(files ?? [])].filter((file) => file.size > Number(limits.dataset.bytes));
    const place = tab.querySelector(".bb-refused");
    place.hidden = !large.length;
    if (!large.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const names = large.map((file) => file.name).join(", ");
    place.querySelector("span").textContent = `${names}: too large; at most ${limits.dataset.megabytes} MB are accepted here`;
    if (event.type === "change") event.target.value = "";
    else event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
  };
  const chosen = (event) => event.target.type === "file" && refuse(event, event.target.files);
  document.addEventListener("change", chosen, true);
  document.addEventListener("drop", (event) => refuse(event, event.dataTransfer?.files), true);

  const clock = (seconds) => {
    const tenths = Math.round(10 * seconds);
    const whole = String(Math.floor(tenths / 10) % 60).padStart(2, "0");
    return `${Math.floor(tenths / 600)}:${whole}${tenths % 10 ? `.${tenths % 10}` : ""}`;
  };

  // As `files/text.py` shows a probability.
  const share = (probability) => {
    if (probability < 0.01) return "<1 %";
    return probability > 0.99 ? ">99 %" : `${Math.round(100 * probability)} %`;
  };

  const of = (inside) => {
    const through = inside.closest(".bb-through");
    return {
      lanes: through.querySelector(".bb-lanes"),
      caption: through.querySelector(".bb-moment"),
      chosen: through.querySelector(".bb-chosen"),
      playing: through.querySelector(".bb-playing"),
      player: through.querySelector("audio"),
      moments: JSON.parse(through.dataset.moments),
      length: Number(through.dataset.length),
    };
  };

  const choose = (song, index) => {
    const [start, end, genre, probability] = song.moments[index];
    const words = `${clock(start)} to ${clock(end)}: ${genre}, ${share(probability)}`;
    song.lanes.setAttribute("aria-valuenow", index + 1);
    song.lanes.setAttribute("aria-valuetext", words);
    song.caption.textContent = words;
    song.chosen.hidden = false;
    song.chosen.style.left = `${(100 * start) / song.length}%`;
    song.chosen.style.width = `${(100 * (end - start)) / song.length}%`;
    return start;
  };

  const play = (song, time) => {
    if (!song.player.src || song.player.error) return;
    song.player.currentTime = time;
    song.player.play().catch(() => {}); // if the browser forbids it, the visitor can press play
  };

  const nearest = (song, time) => {
    const after = song.moments.findIndex(([, end]) => time < end);
    return after < 0 ? song.moments.length - 1 : after;
  };

  document.addEventListener("click", (event) => {
    const lanes = event.target.closest?.(".bb-lanes");
    if (!lanes) return;
    const song = of(lanes);
    const box = lanes.getBoundingClientRect();
    const time = (song.length * (event.clientX - box.left)) / box.width;
    choose(song, nearest(song, time));
    play(song, Math.max(0, time));
  });

  document.addEventListener("keydown", (event) => {
    const lanes = event.target.closest?.(".bb-lanes");
    if (!lanes || event.ctrlKey || event.altKey || event.metaKey) return;
    const song = of(lanes);
    const last = song.moments.length - 1;
    const now = song.chosen.hidden ? -1 : Number(lanes.getAttribute("aria-valuenow")) - 1;
    const next = {
      ArrowRight: Math.min(now + 1, last),
      ArrowUp: Math.min(now + 1, last),
      ArrowLeft: Math.max(now - 1, 0),
      ArrowDown: Math.max(now - 1, 0),
      PageUp: Math.min(now + 10, last),
      PageDown: Math.max(now - 10, 0),
      Home: 0,
      End: last,
      Enter: Math.max(now, 0),
      " ": Math.max(now, 0),
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const start = choose(song, next);
    if (event.key === "Enter" || event.key === " ") play(song, start);
  });

  const show = () => {
    const article = document.querySelector("#answer article");
    if (!article) return;
    article.focus({ preventScroll: true }); // so that it is read aloud
    article.scrollIntoView({ block: "nearest", behavior: "smooth" });
    const through = article.querySelector(".bb-through");
    if (!through) return;
    const song = of(through);
    const mute = through.querySelector(".bb-mute");
    song.player.addEventListener("error", () => {
      song.player.hidden = true;
      mute.hidden = false;
    });
    song.player.addEventListener("timeupdate", () => {
      const time = song.player.currentTime;
      song.playing.hidden = false;
      song.playing.style.left = `${(100 * time) / song.length}%`;
      if (!song.player.paused) choose(song, nearest(song, time));
    });
    if (kept) song.player.src = kept;
    else song.player.hidden = true;
  };

  window.backbeat = { keep, show };
})();
