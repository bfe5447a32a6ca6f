"""A soak: random deeds on a real `seawall up` under load, and promises that must hold meanwhile.

    make soak SECONDS=600 SEED=7

The seed decides every deed: good, failing and broken releases, ways back, kill switches, freezes,
two who apply at once, and the death of every process, also in the middle of another deed. What
must hold, whatever is done:

* No request fails, except where an Envoy that served it was killed on purpose, and where a release
  that fails was met while it was tried: that is what its share of the clients is for.
* A release that fails, or whose file is broken, is never committed.
* `seawall up` never ends by itself, and every command ends in time, with a known exit code, with
  JSON where JSON was asked for, and without a traceback. (Tracebacks in logs are counted in the
  summary: what is killed may leave one with those it worked for.)
* When the deeds pause, the edge comes to rest, and then every client gets the current release.
* Nothing is left behind: no process, and nobody listens.

`plan` and `promises` are pure; `edge`, `visitors` and `origin` touch processes and sockets; `run`
puts them together. Where a promise was broken, the directory of the run is kept with all its logs.
"""
