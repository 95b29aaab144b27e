/**
 * Reads a report in headless Chromium as a person does: node report.mjs PAGE FOLDER
 *
 * Screenshots and a PDF go into the folder; standard output is one JSON object of what was seen.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { chromium } = createRequire(new URL("../../export/web/package.json", import.meta.url))(
  "playwright-core",
);

const [file, folder] = process.argv.slice(2);
const url = pathToFileURL(file).href;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"],
});

const errors = [];
const requests = new Set();

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("dialog", (dialog) => errors.push(`a dialog: ${dialog.message()}`));
  page.on("request", (request) => request.url().startsWith("data:") || requests.add(request.url()));
  await page.goto(url);
  return page;
}

const sight = () => ({
  overflow: document.documentElement.scrollWidth - innerWidth,
  articles: [...document.querySelectorAll("article")].filter((part) => part.clientHeight > 0).length,
  tools: document.getElementById("tools").clientHeight,
  scripts: document.scripts.length,
  images: document.images.length,
  paper: getComputedStyle(document.body).backgroundColor,
  // A path that is not drawn has no box.
  undrawn: [...document.querySelectorAll("article path")].filter(
    (path) => Math.max(path.getBoundingClientRect().width, path.getBoundingClientRect().height) < 5,
  ).length,
  named: [...document.querySelectorAll("svg[role=img]")].every((svg) => svg.ariaLabel.length > 20),
});
const range = () => [
  Number(document.getElementById("from").value),
  Number(document.getElementById("to").value),
];
const bursts = () => document.querySelectorAll("tbody[data-muscle]:not([hidden])").length;
const labels = () =>
  [...document.querySelectorAll("figure.time .axis.bottom")].map((axis) =>
    [...axis.children].map((label) => Number(label.textContent)),
  );

try {
  const page = await open({ viewport: { width: 1280, height: 900 } });
  const seen = { title: await page.title(), desktop: await page.evaluate(sight) };
  await page.screenshot({ path: join(folder, "desktop.png"), fullPage: true });

  seen.whole = await page.evaluate(range);
  await page.getByLabel("zoom in").click();
  seen.closer = await page.evaluate(range);
  await page.getByLabel("later").click();
  seen.later = await page.evaluate(range);
  seen.labels = await page.evaluate(labels);
  await page.getByRole("button", { name: "whole" }).click();
  const chart = page.locator("figure.time svg").first();
  await chart.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await chart.boundingBox();
  await page.mouse.move(x + width / 4, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width / 2, y + height / 2, { steps: 3 });
  await page.mouse.up();
  seen.drawn = await page.evaluate(range);
  await page.mouse.click(x + width / 3, y + height / 2);
  seen.clicked = await page.evaluate(range);
  await page.locator("figure.time").first().focus();
  await page.keyboard.press("Escape");
  await page.keyboard.press("+");
  seen.keyed = await page.evaluate(range);
  await page.locator("#from").fill("0.5");
  await page.locator("#from").press("Enter");
  seen.typed = await page.evaluate(range);
  await page.locator("#from").fill("99");
  await page.locator("#from").press("Enter");
  seen.mistyped = await page.evaluate(range);

  await page.locator("fieldset input").first().uncheck();
  seen.without = [(await page.evaluate(sight)).articles, await page.evaluate(bursts)];
  await page.locator("#none").click();
  seen.none = [(await page.evaluate(sight)).articles, await page.evaluate(bursts)];
  await page.locator("#all").click();
  seen.all = [(await page.evaluate(sight)).articles, await page.evaluate(bursts)];

  seen.pdf = (
    await page.pdf({ path: join(folder, "report.pdf"), format: "A4", printBackground: true })
  ).length;
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  seen.print = await page.evaluate(sight);
  seen.open = await page.evaluate(() => [...document.querySelectorAll("details")].every((d) => d.open));

  const phone = await open({ viewport: { width: 390, height: 844 }, colorScheme: "dark" });
  seen.phone = await phone.evaluate(sight);
  await phone.screenshot({ path: join(folder, "phone.png"), fullPage: true });

  const still = await open({ viewport: { width: 1280, height: 900 }, javaScriptEnabled: false });
  seen.still = {
    articles: await still.locator("article:visible").count(),
    tools: await still.locator("#tools:visible").count(),
  };
  console.log(JSON.stringify({ ...seen, errors, requests: [...requests] }));
} finally {
  await browser.close();
}
