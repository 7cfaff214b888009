// The page around the explorer: sorting, enlarged figures, explanations of terms, and the eight images of the answer.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // ---- Sorting ----

  function key(cell, kind) {
    if (kind === "text") return cell.textContent.trim();
    return cell.dataset.sort === undefined ? null : Number(cell.dataset.sort);
  }

  function compare(one, other) {
    return typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other;
  }

  function sort(table, head) {
    const first = head.dataset.kind === "number" ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const direction = head.getAttribute("aria-sort") === first ? other : first;
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    if (table.matches(".ranking")) { // the first rows are others now, so show all
      table.classList.add("unfolded");
      table.parentNode.nextElementSibling?.querySelector(".unfold")?.remove();
    }
    head.setAttribute("aria-sort", direction);
    const rows = [...table.tBodies[0].rows].filter((row) => row.className !== "total").map((row) => ({ row, key: key(row.cells[head.cellIndex], head.dataset.kind) }));
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null); // empty cells come last
      return direction === "ascending" ? compare(a.key, b.key) : compare(b.key, a.key);
    });
    table.tBodies[0].prepend(...rows.map(({ row }) => row)); // totals stay last
  }

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    if (table.tBodies[0].rows.length < 2) continue;
    for (const head of table.tHead.rows[0].cells) {
      const button = element("button", { type: "button", title: "Sort" }, ...head.childNodes);
      button.addEventListener("click", () => sort(table, head));
      head.append(button);
    }
  }

  // ---- Figures ----

  const zoom = byId("zoom");
  for (const button of document.querySelectorAll(".enlarge")) {
    button.addEventListener("click", () => {
      const shown = button.querySelector("img");
      Object.assign(zoom.querySelector("img"), { src: shown.src, alt: shown.alt });
      zoom.showModal();
    });
  }
  for (const button of document.querySelectorAll(".save-png")) {
    button.addEventListener("click", () => {
      const shown = button.closest("figure").querySelector("img");
      element("a", { href: shown.src, download: button.dataset.name }).click();
    });
  }
  zoom.addEventListener("click", (event) => {
    if (event.target === zoom) zoom.close();
  });

  // ---- Terms ----

  const tip = byId("tip");
  let explaining = null; // the term whose meaning is shown

  function explain(term) {
    explaining = term;
    tip.textContent = term.dataset.meaning;
    tip.hidden = false;
    const place = term.getBoundingClientRect();
    const below = place.bottom + 6 + tip.offsetHeight < window.innerHeight;
    tip.style.left = `${Math.max(8, Math.min(place.left, window.innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${below ? place.bottom + 6 : place.top - 6 - tip.offsetHeight}px`;
  }

  const hide = () => { [explaining, tip.hidden] = [null, true]; };
  for (const term of document.querySelectorAll("dfn")) {
    term.setAttribute("aria-describedby", "tip");
    for (const event of ["mouseenter", "focus", "click"]) term.addEventListener(event, () => explain(term));
    for (const event of ["mouseleave", "blur"]) term.addEventListener(event, hide);
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });
  // Focusing a term may scroll to it, so its meaning moves along.
  document.addEventListener("scroll", () => explaining && explain(explaining), { passive: true });

  // ---- Checksums, printing, navigation ----

  byId("checksum-filter").addEventListener("input", (event) => {
    for (const row of document.querySelectorAll(".checksums tbody tr")) {
      row.hidden = !row.cells[0].textContent.includes(event.target.value);
    }
  });

  window.addEventListener("beforeprint", () => {
    for (const each of document.querySelectorAll(".study details")) each.open = true;
  });

  const links = new Map([...document.querySelectorAll(".top a")].map((link) => [link.hash.slice(1), link]));
  const visible = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      const link = links.get(entry.target.id);
      if (!link) continue;
      link.setAttribute("aria-current", "true");
      const bar = link.parentNode;
      bar.scrollLeft = link.offsetLeft - bar.offsetLeft - (bar.clientWidth - link.offsetWidth) / 2;
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const id of links.keys()) visible.observe(byId(id));

  for (const button of document.querySelectorAll(".unfold")) {
    button.addEventListener("click", () => {
      const table = button.closest("p").previousElementSibling.querySelector("table");
      const next = [...table.tBodies[0].rows].find((row) => row.offsetParent === null);
      table.classList.add("unfolded");
      button.remove();
      next?.querySelector("button").focus();
    });
  }

  // ---- The eight images ----

  const victims = JSON.parse(byId("answer-data").textContent);

  function says(prediction, confidence, right) {
    const sure = confidence >= 1 ? "100" : Math.min(100 * confidence, 99.9).toFixed(1);
    const name = element("b", {}, right ? "✓ " : "✗ ", element("bdi", {}, prediction));
    return element("span", { className: `says ${right ? "right" : "wrong"}`, title: prediction },
      name, element("small", {}, `${sure} %`));
  }

  function card(one) {
    const link = element("a", { href: one.href });
    const add = (what, alt, ...more) => {
      const canvas = element("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", alt);
      link.append(canvas, ...more);
      foolflowExplorer.paint(canvas, { judgement: one.judgement, row: one.row, what, magnify: one.magnify });
    };
    add("clean", `original image ${one.index}`, says(one.before, one.before_confidence, one.before === one.label));
    add("perturbation", `perturbation by ${one.attack}, magnified ${one.magnify} times`);
    add("adversarial", `adversarial image of ${one.index}`, says(one.after, one.after_confidence, one.after === one.label));
    link.append(element("span", { className: "says fine", title: one.attack }, one.attack), element("span", { className: "says fine" }, `change ×${one.magnify}`));
    return element("li", {}, link);
  }

  function show(victim) {
    const list = document.querySelector(".eight");
    byId("examples-of").textContent = victim.images.length
      ? `${victim.images.length === 1 ? "One image" : `${victim.images.length} images`} of ${victim.name}`
      : `No image of ${victim.name} on this page was classified correctly before the attack`;
    list.replaceChildren(...victim.images.map(card));
    for (const button of document.querySelectorAll(".victim")) {
      button.setAttribute("aria-pressed", String(button.dataset.victim === victim.key));
    }
  }

  for (const button of document.querySelectorAll(".victim")) {
    button.addEventListener("click", () => {
      show(victims.find((one) => one.key === button.dataset.victim));
      if (window.innerWidth < 1000) byId("examples").scrollIntoView({ block: "start" });
    });
  }
  if (victims.length) show(victims[0]);
  else byId("examples").hidden = true;
})();
