// The script of a challenge page. It shows that scripts, cookies and styles work, and does the work that
// the service asks for. Whatever fails, it goes on without scripts, or says what to do.
  const main = document.getElementById("seawall");
  const nonce = document.currentScript.nonce;
  const data = main.dataset;
  const status = document.getElementById("status");
  const form = document.getElementById("resend");
  const say = (name) => {
    status.textContent = data["w" + name];
  };

  // No user or password of the page's own address: no script may fetch one that has them.
  function at(path) {
    const url = new URL(path, location.href);
    url.username = url.password = "";
    return url.href;
  }

  // The last that this page says. It would go on without scripts after a while; that ends here.
  function close(heading) {
    window.stop();
    document.getElementById("heading").textContent = heading;
    document.getElementById("why").hidden = true;
    const onward = document.getElementById("onward");
    if (onward) onward.hidden = true;
    if (!form) document.getElementById("retry").hidden = false;
  }

  // The end of the way: what is wrong, and what a person can do.
  function end(name) {
    close(data["w" + name + "Heading"]);
    say(name);
  }

  // Passed, and what was being sent is not in this page: said, and not left by itself.
  function stay() {
    const lost = document.getElementById("lost");
    close(data.wpassed);
    status.textContent = lost.textContent;
    lost.hidden = true;
    document.querySelector("#retry a").textContent = data.wcontinue;
  }

  // FNV-1a of 32 bits: shows that a script ran, nothing more.
  function echo(text) {
    let hash = 0x811c9dc5;
    for (let at = 0; at < text.length; at += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    }
    return hash >>> 0;
  }

  function style() {
    const value = getComputedStyle(document.documentElement).getPropertyValue("--seawall-proof");
    return value.replace(/["'\s]/g, "");
  }

  async function post(answer) {
    const response = await fetch(at(data.solve), {
      method: "POST",
      headers: { "content-type": "application/json" },
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      body: JSON.stringify(answer),
    });
    return response.json();
  }

  function load(source) {
    return new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.nonce = nonce;
      element.src = at(source);
      element.onload = resolve;
      element.onerror = reject;
      document.head.append(element);
    });
  }

  function inWorker(puzzle) {
    return new Promise((resolve, reject) => {
      const worker = new Worker(at(data.worker));
      worker.onerror = reject;
      worker.onmessage = (event) => {
        worker.terminate();
        if (event.data.key) resolve(event.data.key);
        else reject(event.data.error);
      };
      worker.postMessage({ puzzle, library: at(data.library) });
    });
  }

  async function work(puzzle) {
    try {
      return await inWorker(puzzle);
    } catch (_) {
      await load(data.library);
      await load(data.worker);
      return self.seawallSolve(puzzle);
    }
  }

  const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

  function open(to) {
    const target = new URL(to, location.href);
    target.hash = location.hash;
    // With a fragment, going where one already is would only scroll.
    if (target.hash && target.href === location.href) location.reload();
    else location.replace(target.href);
  }

  // Sends the kept form from a page that is still being loaded: the answer then takes this page's place
  // in the history. "Back" would ask to send the form a second time otherwise.
  function send(to) {
    // A field of the form may be called "action" or "submit": only these calls are safe.
    Element.prototype.setAttribute.call(form, "action", to);
    const shown = document.documentElement;
    document.open();
    document.append(shown);
    HTMLFormElement.prototype.submit.call(form);
  }

  function go(to) {
    if (data.lost) {
      stay();
      // The browser still has what a page of this site sent, files too, and sends it again; some ask
      // before. What another site sent is not: sent from here it would carry `SameSite` cookies.
      if (data.lost === "own") location.reload();
      return;
    }
    say("done");
    if (form) send(to);
    else open(to);
  }

  // A new page is a new challenge; one with a form is had by sending that again, as the browser does of what
  // it has sent. Three in a row do not help: then a person is told.
  function anew() {
    let count = 3;
    try {
      const before = JSON.parse(sessionStorage.getItem("seawall") || "[0,0]");
      count = Date.now() - before[1] < 60000 ? before[0] + 1 : 1;
      sessionStorage.setItem("seawall", JSON.stringify([count, Date.now()]));
    } catch (_) {
      count = 3;
    }
    if (count >= 3) end("human");
    else if (form || data.lost === "own") location.reload();
    else if (data.lost) location.replace(data.refresh || data.to);
    else open(data.to);
  }

  async function plain() {
    if (!data.refresh) return end("human");
    if (form) return say("form");
    await pause(Number(data.wait));
    location.replace(data.refresh);
  }

  async function run() {
    say("checking");
    const answer = { c: data.challenge, s: style(), e: echo(data.challenge), v: await probes() };
    for (let round = 0; round < 12; round += 1) {
      const told = await post(answer);
      if (told.do === "go") return go(told.to);
      if (told.do === "work") {
        say("working");
        answer.p = told.puzzle.text;
        answer.k = await work(told.puzzle);
      } else if (told.do === "wait") {
        say("busy");
        await pause(told.seconds);
      } else if (told.do === "again") {
        return anew();
      } else {
        return end(told.do === "cookies" ? "cookies" : "human");
      }
    }
    return plain();
  }

  const begin = () => run().catch(plain);
  // Style sheets hold back a load event, so the proof in them can be read by then.
  if (document.readyState === "complete") begin();
  else window.addEventListener("load", begin);
