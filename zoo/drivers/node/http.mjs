// HTTP clients of Node.js, each as its users write it; jobs and reports as in common.py.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const told = JSON.parse(readFileSync(0, "utf8"));
const form = { "content-type": "application/x-www-form-urlencoded" };
const timeout = 20_000;

const clients = {
  fetch: async () => async (method, url, headers, body) => {
    const answer = await fetch(url, { method, headers, body: body || undefined, signal: AbortSignal.timeout(timeout) });
    await answer.arrayBuffer();
  },
  undici: async () => {
    const { Agent, request } = await import("undici");
    const dispatcher = new Agent({ allowH2: Boolean(told.options.http2) });
    return async (method, url, headers, body) => {
      const answer = await request(url, { method, headers, body: body || undefined, dispatcher });
      await answer.body.arrayBuffer();
    };
  },
  axios: async () => {
    const axios = (await import("axios")).default;
    return async (method, url, headers, body) =>
      axios({ method, url, headers, data: body || undefined, timeout, validateStatus: () => true });
  },
  got: async () => {
    const got = (await import("got")).default;
    return async (method, url, headers, body) =>
      got(url, { method, headers, body: body || undefined, throwHttpErrors: false, retry: { limit: 0 }, http2: Boolean(told.options.http2) });
  },
  "node-fetch": async () => {
    const nodeFetch = (await import("node-fetch")).default;
    return async (method, url, headers, body) => {
      const answer = await nodeFetch(url, { method, headers, body: body || undefined });
      await answer.arrayBuffer();
    };
  },
  superagent: async () => {
    const superagent = (await import("superagent")).default;
    return async (method, url, headers, body) =>
      superagent(method, url).set(headers).send(body || undefined).ok(() => true);
  },
  "got-scraping": async () => {
    const { gotScraping } = await import("got-scraping");
    const options = { browsers: [{ name: told.options.browser ?? "chrome" }], devices: ["desktop"], operatingSystems: ["windows", "linux"] };
    return async (method, url, headers, body) =>
      gotScraping({ url, method, headers, body: body || undefined, headerGeneratorOptions: options, throwHttpErrors: false, retry: { limit: 0 } });
  },
};

async function perform(job) {
  const send = await clients[told.options.library](job);
  let done = 0;
  let last = "";
  for (const step of job.steps) {
    await sleep(step.pause_s * 1000);
    const headers = Object.fromEntries(step.headers.filter(([name]) => name.toLowerCase() !== "connection"));
    try {
      await send(step.method, job.base + step.path, step.body ? { ...headers, ...form } : headers, step.body);
      done += 1;
    } catch (error) {
      last = String(error.cause ?? error);
    }
  }
  if (!done && job.steps.length) throw new Error(`no request came through: ${last.slice(0, 160)}`);
  return done;
}

await Promise.all(
  told.jobs.map(async (job) => {
    const start_s = Date.now() / 1000;
    let requests = 0;
    let problem = "";
    try {
      requests = await perform(job);
    } catch (error) {
      problem = String(error).slice(0, 200);
    }
    process.stdout.write(JSON.stringify({ session: job.session, requests, start_s, problem }) + "\n");
  }),
);
process.exit(0);
