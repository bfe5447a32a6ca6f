// Solves a puzzle: the counter whose Argon2id key begins as told. Runs in a worker, or in the page
// where workers are blocked; between two tries the page can breathe.
"use strict";
self.seawallSolve = async function (puzzle) {
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const salt = bytes(puzzle.salt);
  const prefix = bytes(puzzle.prefix);
  for (let counter = 0; counter < puzzle.tries; counter += 1) {
    const key = await self.hashwasm.argon2id({
      password: String(counter),
      salt,
      parallelism: 1,
      iterations: puzzle.passes,
      memorySize: puzzle.memory,
      hashLength: 32,
      outputType: "binary",
    });
    if (prefix.every((value, at) => key[at] === value)) {
      const text = btoa(String.fromCharCode.apply(null, key));
      return text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  throw new Error("no counter fits");
};
if (typeof WorkerGlobalScope !== "undefined") {
  self.onmessage = async (event) => {
    try {
      importScripts(event.data.library);
      self.postMessage({ key: await self.seawallSolve(event.data.puzzle) });
    } catch (error) {
      self.postMessage({ error: String(error) });
    }
  };
}
