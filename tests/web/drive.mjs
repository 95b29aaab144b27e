/**
 * Drives the page in headless Chromium: node drive.mjs URL FOLDER < request.json
 *
 * The request holds `windows`, rows of scaled activity. Screenshots go into the folder; standard
 * output is one JSON object of what was seen. CHROMIUM names the browser's executable.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { chromium } = createRequire(new URL("../../export/web/package.json", import.meta.url))(
  "playwright-core",
);

const [url, folder] = process.argv.slice(2);
const { windows } = JSON.parse(readFileSync(0, "utf8"));
const profile = mkdtempSync(join(tmpdir(), "chromium-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  viewport: { width: 1200, height: 900 },
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

/** Pixels of a chart that are near one of the colours of its curves. */
function curves() {
  const colours = { measured: [0, 0, 0], simulated: [140, 140, 140], refined: [192, 57, 43] };
  return [...document.querySelectorAll("canvas")].map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const count = { measured: 0, simulated: 0, refined: 0 };
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] < 200) continue;
      for (const [name, colour] of Object.entries(colours)) {
        if (colour.every((value, c) => Math.abs(value - data[i + c]) < 20)) count[name]++;
      }
    }
    return count;
  });
}

const text = (page, id) => page.locator(`#${id}`).textContent();

/** Refines all windows, again in the opposite order, and then so often that a leak would show. */
async function refineAll([form, windows]) {
  const { refine, refineAll, memory } = window.nem2e;
  const once = [];
  for (const rows of windows) once.push(await refine(form, rows));
  const again = [];
  for (const rows of windows.toReversed()) again.unshift(await refine(form, rows));
  const before = await memory();
  const milliseconds = [];
  for (let i = 0; i < 40; i++) {
    const began = performance.now();
    await refine(form, windows[i % windows.length]);
    milliseconds.push(performance.now() - began);
  }
  const recording = await refineAll(form, Math.floor(windows[0].length / 2));
  const grown = (await memory()) - before;
  return { once, again, recording, milliseconds, grown };
}

/** Plays some seconds and looks at the page. */
async function play(page, form, seconds, picture) {
  await page.getByText(form, { exact: true }).click();
  await page.locator("#play").click();
  await page.waitForFunction(
    (least) => parseFloat(document.getElementById("time").textContent) >= least,
    seconds,
  );
  await page.locator("#play").click();
  await page.screenshot({ path: join(folder, picture), fullPage: true });
  return {
    time: await text(page, "time"),
    latency: await text(page, "latency"),
    errors: await text(page, "errors"),
    curves: await page.evaluate(curves),
    scroll: await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
  };
}

try {
  const page = browser.pages()[0] ?? (await browser.newPage());
  const errors = [];
  const requests = new Set();
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => requests.add(request.url()));
  await page.goto(url);
  await page.waitForFunction(() => window.nem2e);

  const forms = {};
  for (const form of ["float32", "int8"]) {
    forms[form] = await page.evaluate(refineAll, [form, windows]);
  }
  const origin = await text(page, "origin");
  await page.getByText("biceps femoris", { exact: true }).click();
  const desktop = await play(page, "float32", 3, "desktop.png");
  await page.setViewportSize({ width: 390, height: 844 });
  const phone = await play(page, "int8", 3, "phone.png");
  console.log(JSON.stringify({ forms, origin, desktop, phone, errors, requests: [...requests] }));
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
