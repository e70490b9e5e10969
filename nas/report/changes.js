// Lets a reader change skips of the network in the page. It fetches nothing; without it the picture
// is the static map. All text goes in as text, never as markup.
(() => {
  "use strict";
  const box = document.getElementById("changes");
  const holder = document.getElementById("changes-data");
  if (!box || !holder) return;
  const data = JSON.parse(holder.textContent);
  const chips = [...document.querySelectorAll(".map [data-place][data-kind]")].filter((chip) => {
    const place = data.places.indexOf(chip.dataset.place);
    return place >= 0 && data.kinds[place].includes(letterOf(chip));
  });
  if (!chips.length || !data.bases.length) return;
  const NAMES = { N: "none", I: "identity", P: "projection" };
  const MINUS = "\u2212";
  let base = null; // index of the network that the reader started from; null: the plain map
  let net = [];

  function letterOf(chip) {
    return chip.dataset.kind[0].toUpperCase();
  }

  // The model: a sum over terms, with the joint covariance of their coefficients.

  function code(kinds, place, letter) {
    if (kinds[place] === letter) return 1;
    return kinds[place] === data.kinds[place][0] ? -1 : 0;
  }

  function termValue(kinds, term) {
    const [place, letter, beside, other] = term;
    if (term.length === 2) return kinds[place] === letter ? 1 : 0;
    return code(kinds, place, letter) * code(kinds, beside, other);
  }

  function predicted(before, after) {
    const parts = data.terms
      .map((term, index) => [index, termValue(after, term) - termValue(before, term)])
      .filter(([, change]) => change !== 0);
    let estimate = 0, variance = 0;
    for (const [i, change] of parts) {
      estimate += data.coefficients[i] * change;
      for (const [j, other] of parts) {
        const [row, column] = i >= j ? [i, j] : [j, i];
        variance += data.covariance[(row * (row + 1)) / 2 + column] * change * other;
      }
    }
    const half = data.t * Math.sqrt(Math.max(0, variance));
    return { estimate, low: estimate - half, high: estimate + half };
  }

  function changed() {
    const start = data.bases[base].code;
    return data.places.map((_, place) => place).filter((place) => net[place] !== start[place]);
  }

  // Numbers as the rest of the page writes them.

  function fixed(value, digits) {
    return Math.abs(value) > 1e4 ? value.toPrecision(3) : value.toFixed(digits);
  }

  function digitsFor(low, high) {
    if (data.metric.share) return 1;
    const needed = high > low ? Math.ceil(-Math.log10((high - low) / 2)) : 0;
    return Math.min(4, Math.max(data.metric.digits, needed));
  }

  function effect(value, digits) {
    const text = fixed(Math.abs(value) * (data.metric.share ? 100 : 1), digits);
    if (!/[1-9]/.test(text)) return text;
    return (value < 0 ? MINUS : "+") + text;
  }

  function score(value) {
    const { share, digits } = data.metric;
    return share ? `${fixed(100 * value, 1)}%` : fixed(value, Math.max(3, digits)).replace("-", MINUS);
  }

  function whole(number, word) {
    const sign = number > 0 ? "+" : number < 0 ? MINUS : "";
    return `${sign}${Math.abs(number).toLocaleString("en-US")} ${word}`;
  }

  function where(place) {
    const [, stage, block] = data.places[place].match(/^stage(\d+)\.block(\d+)$/);
    return `stage ${stage}, block ${block}`;
  }

  // What stands below the picture.

  function say(name, text) {
    const target = box.querySelector(`[data-out="${name}"]`);
    target.textContent = text;
    target.hidden = !text;
  }

  function verdict(places) {
    if (!places.length) return "Nothing is changed yet: press a skip in the picture.";
    const { estimate, low, high } = predicted(data.bases[base].code, net);
    const digits = digitsFor(low, high);
    const word = low > 0 ? "Predicted to be better" : high < 0 ? "Predicted to be worse" : "Cannot tell";
    const unit = data.metric.unit ? `${data.metric.unit} of` : "";
    return (
      `${word}: ${effect(estimate, digits)}${unit} ${data.metric.short} ` +
      `(95% interval ${effect(low, digits)} to ${effect(high, digits)}), + is better.`
    );
  }

  function ground(places) {
    if (!places.length) return "";
    const start = data.bases[base].code;
    const what = places.map((p) => `${where(p)}: ${NAMES[start[p]]} to ${NAMES[net[p]]}`).join("; ");
    return (
      `Against ${data.bases[base].name}. ${what[0].toUpperCase()}${what.slice(1)}. Grade randomised: ` +
      `a sum of average effects over ${data.runs} random networks, not a measurement of this one.`
    );
  }

  function beyond(kinds) {
    for (const letter of "NIP") {
      const count = [...kinds].filter((own) => own === letter).length;
      const [fewest, most] = data.support[NAMES[letter]] || [0, 0];
      if (count < fewest || count > most) {
        const what = { N: "no skip", I: "an identity", P: "a projection" }[letter];
        const verb = count === 1 ? "has" : "have";
        return `${count} of its ${kinds.length} blocks ${verb} ${what}, in random networks ${fewest} to ${most}`;
      }
    }
    return "";
  }

  function support() {
    const start = data.bases[base].code;
    const [who, found] = beyond(net) ? ["This network", beyond(net)] : ["The network you started from", beyond(start)];
    if (!found) return "";
    return (
      `${who} lies beyond what was measured: ${found}. Skips stand in for each other, which a sum ` +
      "of average effects does not know, so take the prediction as a hint."
    );
  }

  function costs(places) {
    const start = data.bases[base].code;
    const sum = (table) => {
      const steps = places.map((place) => {
        const own = table[place], kinds = data.kinds[place];
        const [before, after] = [own[kinds.indexOf(start[place])], own[kinds.indexOf(net[place])]];
        return before == null || after == null ? NaN : after - before;
      });
      return steps.reduce((total, step) => total + step, 0);
    };
    const [params, macs] = [sum(data.params), sum(data.macs)];
    if (!places.length || Number.isNaN(params) || Number.isNaN(macs)) return "";
    if (!params && !macs) return "It costs neither parameters nor multiply-adds.";
    return `It costs ${whole(params, "parameters")} and ${whole(macs, "multiply-adds")}.`;
  }

  function distance(other) {
    return net.reduce((count, letter, place) => count + (letter !== other[place]), 0);
  }

  function nearest() {
    const better = data.metric.lower ? 1 : -1;
    const found = data.trained
      .map(([own, value, n, name]) => ({ own, value, n, name, far: distance(own) }))
      .sort((a, b) => a.far - b.far || better * (a.value - b.value))
      .slice(0, 4);
    const body = box.querySelector("tbody");
    body.textContent = "";
    for (const row of found) {
      const line = body.insertRow();
      const far = row.far === 0 ? "none: it is this network" : `${row.far} skip${row.far > 1 ? "s" : ""}`;
      const seeds = row.n === 1 ? "1 training" : `mean of ${row.n} trainings`;
      for (const text of [row.name, far, `${score(row.value)} (${seeds})`]) {
        line.insertCell().textContent = text;
      }
    }
    box.querySelector(".scroll").hidden = !found.length;
  }

  function command(places) {
    const flips = places.map((place) => `${data.places[place]}=${NAMES[net[place]]}`).join(",");
    return flips ? data.command.replace("FLIPS", flips) : "";
  }

  function proof() {
    return data.bases[base].is_ablated
      ? "What would prove it:"
      : "What would test it in the networks that are ablated:";
  }

  function remember(places) {
    const flips = places.map((place) => `${data.places[place]}=${NAMES[net[place]]}`).join(",");
    try {
      const hash = base === null ? "" : `#change=${data.bases[base].key}:${flips}`;
      history.replaceState(null, "", hash || location.pathname + location.search);
    } catch {
      // A page inside another one may have no address of its own.
    }
  }

  function draw() {
    const isTrying = base !== null;
    const places = isTrying ? changed() : [];
    for (const chip of chips) {
      const place = data.places.indexOf(chip.dataset.place);
      const isOn = isTrying && net[place] === letterOf(chip);
      chip.setAttribute("aria-pressed", String(isOn));
      chip.parentNode.classList.toggle("changed", places.includes(place));
      chip.ownerSVGElement.classList.toggle("trying", isTrying);
    }
    for (const button of box.querySelectorAll("[data-base]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.base) === base));
    }
    box.querySelector(".result").hidden = !isTrying;
    box.querySelector("[data-close]").hidden = !isTrying;
    if (isTrying) {
      say("predicted", verdict(places));
      say("ground", ground(places));
      say("support", places.length ? support() : "");
      say("costs", costs(places));
      nearest();
      say("proof", proof());
      say("command", command(places));
      box.querySelector(".prove").hidden = !command(places);
    }
    remember(places);
  }

  // What a reader does.

  function start(index) {
    base = index;
    net = index === null ? [] : [...data.bases[index].code];
    draw();
  }

  function press(chip) {
    if (base === null) start(0);
    const place = data.places.indexOf(chip.dataset.place);
    const kinds = data.kinds[place];
    net[place] = net[place] === letterOf(chip) ? (kinds.includes("N") ? "N" : kinds[0]) : letterOf(chip);
    draw();
  }

  function move(chip, key) {
    const own = chips.filter((other) => other.ownerSVGElement === chip.ownerSVGElement);
    const sideways = own.filter((other) => other.dataset.kind === chip.dataset.kind);
    const at = sideways.indexOf(chip);
    const next = {
      ArrowRight: sideways[at + 1],
      ArrowLeft: sideways[at - 1],
      ArrowUp: own.find((other) => other.dataset.place === chip.dataset.place && other.dataset.kind === "identity"),
      ArrowDown: own.find((other) => other.dataset.place === chip.dataset.place && other.dataset.kind === "projection"),
    }[key];
    if (next) {
      own.forEach((other) => other.setAttribute("tabindex", "-1"));
      next.setAttribute("tabindex", "0");
      next.focus();
    }
  }

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      // An address that was cut off in the middle of a sign: no change is better than an error.
      return "";
    }
  }

  function follow(hash) {
    const [, key, flips] = hash.match(/^#change=(\w+):(.*)$/) || [];
    const index = data.bases.findIndex((one) => one.key === key);
    if (index < 0) return;
    start(index);
    for (const flip of decoded(flips).split(",").filter(Boolean)) {
      const [name, kind] = flip.split("=");
      const place = data.places.indexOf(name);
      const letter = (kind || "")[0]?.toUpperCase();
      if (place >= 0 && data.kinds[place].includes(letter)) net[place] = letter;
    }
    draw();
  }

  const drawings = new Set(chips.map((chip) => chip.ownerSVGElement));
  for (const drawing of drawings) {
    // As an image its parts would be hidden from screen readers.
    drawing.setAttribute("role", "group");
    drawing.classList.add("live");
    chips.find((chip) => chip.ownerSVGElement === drawing).setAttribute("tabindex", "0");
  }
  for (const chip of chips) {
    if (!chip.hasAttribute("tabindex")) chip.setAttribute("tabindex", "-1");
    chip.setAttribute("role", "button");
    chip.setAttribute("aria-label", chip.querySelector("title").textContent);
    chip.addEventListener("click", () => press(chip));
    chip.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        press(chip);
      } else if (event.key.startsWith("Arrow")) {
        event.preventDefault();
        move(chip, event.key);
      }
    });
  }
  for (const button of box.querySelectorAll("[data-base]")) {
    button.addEventListener("click", () => start(Number(button.dataset.base)));
  }
  box.querySelector("[data-close]").addEventListener("click", () => start(null));
  box.querySelector("[data-copy]").addEventListener("click", async (event) => {
    const text = box.querySelector('[data-out="command"]');
    try {
      await navigator.clipboard.writeText(text.textContent);
      event.target.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
      event.target.textContent = "Selected";
    }
    setTimeout(() => (event.target.textContent = "Copy"), 1500);
  });
  box.hidden = false;
  follow(location.hash);
  addEventListener("hashchange", () => follow(location.hash));
})();
