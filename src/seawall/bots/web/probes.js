  function software() {
    try {
      const gl = document.createElement("canvas").getContext("webgl");
      const info = gl && gl.getExtension("WEBGL_debug_renderer_info");
      return Boolean(info) && /swiftshader|llvmpipe|software/i.test(gl.getParameter(info.UNMASKED_RENDERER_WEBGL));
    } catch (_) {
      return false;
    }
  }

  async function notifications() {
    try {
      const state = await navigator.permissions.query({ name: "notifications" });
      return Notification.permission === "denied" && state.state === "prompt";
    } catch (_) {
      return false;
    }
  }

  // Pages bring a `process` and a `Buffer` along for libraries that were written for it: without its version.
  function node() {
    return typeof process === "object" && Boolean(process && process.versions && process.versions.node);
  }

  // One bit each, in the order of probes.py.
  async function probes() {
    const agent = navigator.userAgent;
    const chromium = /Chrome\//.test(agent) && !/Mobile|Android/.test(agent);
    const gecko = /Gecko\/\d/.test(agent);
    const left = (thing) =>
      Object.keys(thing).some((name) =>
        /^(\$?cdc_|__webdriver|__selenium|__driver_|_phantom|callPhantom|__nightmare|__playwright|__pw(?![a-z])|domAutomation|_Selenium)/.test(name)
      );
    const bits = [
      navigator.webdriver === true,
      /Headless|PhantomJS|Electron/.test(agent + navigator.appVersion),
      left(window) || left(document),
      !navigator.languages || navigator.languages.length === 0,
      chromium && navigator.plugins && navigator.plugins.length === 0,
      navigator.productSub !== (gecko ? "20100101" : "20030107"),
      eval.toString().length !== (chromium ? 33 : 37) && (chromium || gecko),
      window.outerWidth === 0 && window.outerHeight === 0,
      await notifications(),
      Boolean(navigator.connection) && navigator.connection.rtt === 0,
      software(),
      node(),
    ];
    return bits.reduce((sum, bit, at) => sum + (bit ? 1 << at : 0), 0);
  }
