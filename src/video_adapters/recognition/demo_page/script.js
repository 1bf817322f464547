"use strict";
// Names of files and classes are text here: they reach the page by textContent alone.
const $ = (id) => document.getElementById(id);
const video = $("video");
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const time = (seconds) => `${seconds.toFixed(1)} s`;
const element = (tag, className = "", text = "") => {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
};

let about = null; // of the model
let chosen = null; // the file
let running = null; // what can be aborted
let windows = []; // of the timeline so far
let position = 0; // seconds, of the video or, where it cannot be played, of what was clicked
let colours = new Map(); // class -> one of eight in the order in which they come, then grey

fetch("/about").then((answer) => answer.json()).then((answer) => {
  about = answer;
  $("model").textContent = `${about.title}: ${about.model}`;
});

// choosing a file
$("file").addEventListener("change", () => choose($("file").files[0]));
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => { event.preventDefault(); $("drop").classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, (event) => { event.preventDefault(); $("drop").classList.remove("over"); });
}
document.addEventListener("drop", (event) => choose(event.dataTransfer.files[0]));
$("form").addEventListener("submit", (event) => { event.preventDefault(); recognise(); });

function choose(file) {
  if (!file) return;
  chosen = file;
  $("again").disabled = false;
  if (video.src) URL.revokeObjectURL(video.src);
  $("unplayable").hidden = true;
  $("name").textContent = file.name;
  video.src = URL.createObjectURL(file);
  recognise();
}
video.addEventListener("error", () => { $("unplayable").hidden = false; });

// asking the server, which answers in lines as it finds out
async function recognise() {
  if (!chosen) return;
  if (running) running.abort();
  const mine = running = new AbortController();
  clear();
  if (about && chosen.size > about.most_bytes) return refuse(`has more than ${about.most_bytes / 2 ** 30} GiB`);
  if (!chosen.size) return refuse("is empty, or a folder");
  tell(`Reading ${chosen.name} …`);
  const asked = new URLSearchParams({ window: $("window").value, stride: $("stride").value });
  try {
    const answer = await fetch(`/recognise?${asked}`, {
      method: "POST", body: chosen, signal: mine.signal, headers: { "Content-Type": "application/octet-stream" },
    });
    for await (const part of lines(answer.body)) {
      if (mine !== running) return;
      show(part);
    }
    if (mine === running && !$("progress").hidden) refuse("was not recognised to its end: the server has stopped");
  } catch (error) {
    if (mine === running && error.name !== "AbortError") refuse("could not be sent: is the server still there?");
  }
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

function show(part) {
  if (part.refused) return refuse(part.refused);
  if (part.waiting) return tell("Another video is being recognised; yours is next …");
  if (part.seconds !== undefined) {
    tell(`Looking at ${time(part.seconds)} of video …`);
    $("timeline-note").textContent = part.seconds > Number($("window").value) ? "" :
      `The video, ${time(part.seconds)}, is no longer than a window: shorten the window for a timeline.`;
  }
  if (part.classes) showClasses(part.classes, part.remarks);
  if (part.looked) showLooked(part.looked);
  if (part.windows) {
    windows.push(...part.windows);
    $("progress").max = part.of;
    $("progress").value = windows.length;
    tell(`Window ${windows.length} of ${part.of}`);
    showTimeline();
  }
  if (part.done) {
    $("progress").hidden = true;
    tell("Done.");
  }
}

function clear() {
  windows = [];
  position = 0;
  colours = new Map();
  $("refusal").hidden = true;
  $("result").hidden = true;
  $("table").hidden = true;
  $("strength-label").hidden = true;
  for (const id of ["classes", "remarks", "bar", "legend", "windows", "frames"]) $(id).replaceChildren();
  for (const id of ["named", "now", "timeline-note", "looked-note"]) $(id).textContent = "";
  $("progress").removeAttribute("value");
  $("progress").hidden = false;
}

function tell(text) { $("status").textContent = text; }

function refuse(reason) {
  tell("");
  $("progress").hidden = true;
  $("refusal").textContent = `${chosen.name}: ${reason}`;
  $("refusal").hidden = false;
}

// the whole video
const namedOf = (classes) => classes.filter((one) => one.named).map((one) => one.name);

function showClasses(classes, remarks) {
  $("result").hidden = false;
  const named = namedOf(classes);
  $("named").textContent = named.length ? named.join(", ") : "None of its classes reaches its threshold.";
  for (const one of classes) {
    const row = element("li", one.named ? "named" : "");
    const fill = element("span", "fill");
    fill.style.width = `${100 * one.probability}%`;
    row.append(fill, element("span", "name", one.name));
    const threshold = about && about.thresholds && about.thresholds[one.name];
    let number = percent(one.probability);
    if (threshold) {
      const mark = element("span", "threshold");
      mark.style.left = `${100 * threshold}%`;
      row.append(mark);
      number += ` (named from ${percent(threshold)})`;
    }
    row.append(element("span", "number", number));
    $("classes").append(row);
  }
  for (const remark of remarks) $("remarks").append(element("li", "", `The file: ${remark}.`));
}

// the timeline: each window speaks for the time that is nearer to its middle than to another's
function colourOf(name) {
  if (!colours.has(name)) {
    colours.set(name, `c${Math.min(colours.size, 8)}`);
    const entry = element("li", "", name);
    entry.prepend(element("span", `swatch ${colours.get(name)}`));
    $("legend").append(entry);
  }
  return colours.get(name);
}

const middle = (one) => (one.start + one.end) / 2;

function share(number) {
  const [before, one, after] = [windows[number - 1], windows[number], windows[number + 1]];
  return [before ? (middle(before) + middle(one)) / 2 : one.start, after ? (middle(one) + middle(after)) / 2 : one.end];
}

function showTimeline() {
  $("table").hidden = false;
  $("bar").classList.toggle("many", windows.length > 60);
  for (let number = $("bar").children.length; number < windows.length; number++) {
    const { start, end, classes } = windows[number];
    const named = namedOf(classes);
    const colour = named.length ? colourOf(named[0]) : "none";
    const words = named.length ? classes.filter((one) => one.named).map((one) => `${one.name} ${percent(one.probability)}`)
      .join(", ") : "none of its classes";
    const button = element("button", colour);
    button.type = "button";
    button.title = `${time(start)} to ${time(end)}: ${words}`;
    button.setAttribute("aria-label", button.title);
    button.addEventListener("click", () => seek(Math.max(start, share(number)[0])));
    $("bar").append(button);

    const row = element("tr");
    const from = element("td");
    const link = element("button", "seek number", time(start));
    link.type = "button";
    link.setAttribute("aria-label", `Play from ${time(start)}`);
    link.addEventListener("click", () => seek(start));
    from.append(link);
    const shown = element("td");
    shown.append(element("span", `swatch ${colour}`), classes.map((one) => `${one.name} ${percent(one.probability)}`).join(", "));
    row.append(from, element("td", "number", time(end)), shown);
    $("windows").append(row);
  }
  [...$("bar").children].forEach((button, number) => {
    const [from, to] = share(number);
    button.style.flexGrow = to - from;
  });
  follow();
}

function seek(seconds) {
  position = seconds + 0.001; // in the frame that begins there
  video.currentTime = position;
  follow();
  video.scrollIntoView({ block: "nearest" });
}

function follow() {
  if (!windows.length) return;
  const away = (one) => Math.abs(middle(one) - position);
  let nearest = 0;
  windows.forEach((one, number) => { if (away(one) < away(windows[nearest])) nearest = number; });
  [...$("bar").children].forEach((button, number) => {
    if (number === nearest) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  });
  $("now").textContent = `At ${time(position)}: ${$("bar").children[nearest].title.split(": ").slice(1).join(": ")}`;
}
for (const name of ["timeupdate", "seeked"]) {
  video.addEventListener(name, () => { position = video.currentTime; follow(); });
}

// where it looks
function showLooked(looked) {
  if (looked.why_not) {
    $("looked-note").textContent = `It cannot be shown: ${looked.why_not}.`;
    return;
  }
  $("looked-note").textContent = `The frames that the model saw of the whole video, dark where it takes little from. ${looked.about}`;
  $("strength-label").hidden = false;
  for (const one of looked.frames) {
    const item = element("li");
    const stack = element("div", "stack");
    const frame = element("img");
    frame.src = one.frame;
    frame.alt = `Frame at ${time(one.time)}`;
    const shade = element("img", "shade");
    shade.src = one.shade;
    shade.alt = "";
    shade.style.opacity = $("strength").value;
    stack.append(frame, shade);
    const link = element("button", "seek number", time(one.time));
    link.type = "button";
    link.setAttribute("aria-label", `Go to the frame at ${time(one.time)}`);
    link.addEventListener("click", () => seek(one.time));
    item.append(stack, link);
    $("frames").append(item);
  }
}
$("strength").addEventListener("input", () => {
  for (const shade of document.querySelectorAll(".shade")) shade.style.opacity = $("strength").value;
});
