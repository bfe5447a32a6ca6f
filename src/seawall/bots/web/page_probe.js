  // Told in a cookie, and at once by a request, only by a browser that is odd: a clean result is
  // worth nothing, since anybody could send it.
  const SECONDS = 1800;
  const PLACE = "/.well-known/seawall/probe?v=";
  const NAME = (location.protocol === "https:" ? "__Host-" : "") + "seawall-probe";

  function remind(bits) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${NAME}=${bits}; Path=/; Max-Age=${SECONDS}; SameSite=Lax${secure}`;
  }

  function tell(bits) {
    remind(bits);
    // The page may have a `<base>` of another host, and reports what nobody catches as an error of its own.
    fetch(self.origin + PLACE + bits, { method: "POST", credentials: "same-origin", keepalive: true }).catch(() => {});
  }

  // Only what a page cannot be without a driver, or has in common with one; the order goes on from
  // the probes of a challenge.
  function hidden() {
    const accessor = Object.getOwnPropertyDescriptor(Navigator.prototype, "webdriver");
    // Before Chromium 89 and Firefox 75 only a driven browser had it: televisions and old phones lack it.
    if (!accessor) return CSS.supports("accent-color", "red");
    if (!accessor.get) return true;
    return !/\bwebdriver\(\)\s*\{\s*\[native code\]/.test(Function.prototype.toString.call(accessor.get));
  }

  // A worker that names another browser than its page. Null where the page may not start one.
  function inWorker() {
    return new Promise((resolve) => {
      setTimeout(resolve, 2000, null);
      try {
        const source = URL.createObjectURL(new Blob(["postMessage(navigator.userAgent)"]));
        const worker = new Worker(source);
        worker.onerror = () => resolve(null);
        worker.onmessage = (event) => {
          worker.terminate();
          resolve(event.data);
        };
      } catch (_) {
        resolve(null);
      }
    });
  }

  // V8 makes the text of an error's stack only for who listens to the console. Where that is the page itself, as
  // reports of errors do, nothing is told.
  function listened() {
    if (!/\[native code\]/.test(Function.prototype.toString.call(console.debug))) return false;
    const before = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
    let asked = false;
    try {
      Error.prepareStackTrace = () => {
        asked = true;
        return "";
      };
      console.debug(new Error(""));
    } finally {
      if (before) Object.defineProperty(Error, "prepareStackTrace", before);
      else delete Error.prepareStackTrace;
    }
    return asked;
  }

  function pointerless() {
    return navigator.maxTouchPoints === 0 && !matchMedia("(any-pointer: fine), (any-pointer: coarse)").matches;
  }

  function misplaced() {
    const covers = innerWidth === screen.width && innerHeight === screen.height;
    const begins = screenX === (screen.availLeft || 0) && screenY === (screen.availTop || 0);
    return (
      (covers && (outerHeight > screen.height || !begins)) ||
      (outerWidth > 0 && outerWidth < innerWidth && devicePixelRatio === 1) ||
      (screen.width === 800 && screen.height === 600)
    );
  }

  async function more() {
    const worker = await inWorker();
    const bits = [hidden(), worker !== null && worker !== navigator.userAgent, listened(), pointerless(), misplaced()];
    return bits.reduce((sum, bit, at) => sum + (bit ? 1 << (at + 12) : 0), 0);
  }

  async function watch(told) {
    // Three of the first twelve are common with people too: no size yet, no delay, no graphics.
    const bits = ((await probes()) & ~(128 | 512 | 1024)) | (await more());
    sessionStorage.setItem(NAME, String(bits));
    if (bits !== told) (told ? remind : tell)(bits);
  }

  function begin() {
    const known = sessionStorage.getItem(NAME);
    if (known !== null) return Number(known) && remind(known);
    // At once: a program is often gone before the page has loaded.
    const told = navigator.webdriver === true ? 1 : 0;
    if (told) tell(told);
    const rest = () => watch(told).catch(() => {});
    if (document.readyState === "complete") rest();
    else addEventListener("load", rest);
  }

  try {
    begin();
  } catch (_) {
    // No storage: such a page is not looked at.
  }
