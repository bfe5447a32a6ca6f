// Browsers driven from Node.js: Puppeteer, Playwright and their stealth variants; see browsers.py.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const told = JSON.parse(readFileSync(0, "utf8"));
const options = told.options;
const need = createRequire(import.meta.url);
const chromium = "/usr/bin/chromium";
const args = ["--no-sandbox", "--disable-dev-shm-usage"];

function agent() {
  const major = String(execFileSync(chromium, ["--version"])).split(" ")[1].split(".")[0];
  return `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.0.0 Safari/537.36`;
}

const engines = {
  puppeteer: () => need("puppeteer-core").launch({ executablePath: chromium, headless: options.headless, args }),
  "puppeteer firefox": () =>
    need("puppeteer-core").launch({ browser: "firefox", executablePath: "/usr/bin/firefox-esr", headless: options.headless, acceptInsecureCerts: true }),
  rebrowser: () => need("rebrowser-puppeteer-core").launch({ executablePath: chromium, headless: options.headless, args }),
  "puppeteer stealth": () => {
    const { addExtra } = need("puppeteer-extra");
    const extra = addExtra(need("puppeteer-core"));
    extra.use(need("puppeteer-extra-plugin-stealth")());
    return extra.launch({ executablePath: chromium, headless: options.headless, args });
  },
  playwright: () => need("playwright-core").chromium.launch({ executablePath: chromium, headless: options.headless, args: ["--no-sandbox"] }),
};

async function open(browser) {
  if (options.engine === "playwright") return (await browser.newContext(options.agent ? { userAgent: agent() } : {})).newPage();
  const made = await browser.createBrowserContext();
  const page = await made.newPage();
  if (options.agent) await page.setUserAgent(agent());
  if (options.documents) {
    await page.setRequestInterception(true);
    page.on("request", (request) => (request.resourceType() === "document" ? request.continue() : request.abort()));
  }
  return page;
}

async function perform(job) {
  const browser = await engines[options.engine]();
  try {
    const page = await open(browser);
    for (const [number, step] of job.steps.entries()) {
      await sleep(step.pause_s * 1000);
      if (number && options.gentle && options.engine !== "playwright") {
        await page.mouse.move(100 + ((job.seed * 7) % 400), 200, { steps: 6 });
        await page.mouse.wheel({ deltaY: 300 });
        await sleep(400 + (job.seed % 1500));
      }
      await page.goto(job.base + step.path, { timeout: 30_000, waitUntil: "load" });
      await sleep(400);
    }
    return job.steps.length;
  } finally {
    await browser.close();
  }
}

for (const job of told.jobs) {
  const start_s = Date.now() / 1000;
  let requests = 0;
  let problem = "";
  try {
    requests = await perform(job);
  } catch (error) {
    problem = String(error).slice(0, 200);
  }
  process.stdout.write(JSON.stringify({ session: job.session, requests, start_s, problem }) + "\n");
}
process.exit(0);
