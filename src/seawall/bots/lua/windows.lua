-- What each client did in the last 10 seconds, minute and 10 minutes, shared by all workers.
--
-- The table lies in a mapped file in the slot's directory, so it outlives a new model and a restart.
-- An entry is found by a hash of client prefix, JA4 and user-agent family; a set of eight entries
-- gives up the one unused for longest. Each window has a current and a previous span, and the
-- previous one fades linearly. Distinct paths are counted by linear counting on 64 bits (Whang et
-- al. 1990). Workers do not lock: two that meet may lose a count, never more.
--
-- Beside the windows stands how many pages in a row the client came to from elsewhere, as by a typed
-- address, with nothing between that a page of the site leads to or loads. They are those of one address,
-- so that a neighbour with the same browser does not answer for them.
local ffi = require("ffi")
local bit = require("bit")

local M = {}

local SPANS = { 10, 60, 600 }
local FORGOTTEN_S = 600 -- arrivals, after a pause of so long
local AHEAD_S = 60
local WAYS = 8
local SETS = 8192
local MAGIC, LAYOUT = 0x53574250, 2
local HEADER_BYTES = 4096

pcall(ffi.cdef, [[
typedef struct {
  uint32_t epoch, n, n_before, errors, errors_before, assets, assets_before;
  int32_t paths[2], paths_before[2];
} seawall_span_t;
typedef struct {
  int32_t key[2];
  int32_t address;
  uint32_t seen_s, arrivals;
  seawall_span_t spans[3];
} seawall_client_t;
typedef struct { uint32_t magic, layout, sets, ways; } seawall_windows_header_t;
]])
-- Each by itself: another module may have declared some of them.
pcall(ffi.cdef, "int open(const char *path, int flags, ...);")
pcall(ffi.cdef, "int close(int fd);")
pcall(ffi.cdef, "int posix_fallocate(int fd, int64_t offset, int64_t length);")
pcall(ffi.cdef, "void *mmap(void *to, size_t length, int prot, int flags, int fd, int64_t offset);")
pcall(ffi.cdef, "int munmap(void *at, size_t length);")

local O_RDWR, O_CREAT, O_CLOEXEC = 2, 64, 524288
local O_NOFOLLOW = ffi.arch == "arm64" and 32768 or 131072
local READ_WRITE, SHARED, PRIVATE_ANONYMOUS = 3, 1, 34
local MAP_FAILED = ffi.cast("void *", -1)

M.SIZE_BYTES = HEADER_BYTES + SETS * WAYS * ffi.sizeof("seawall_client_t")

-- Every release makes machines anew in an Envoy that runs for months: what one mapped ends with it.
local function unmap(memory)
  ffi.C.munmap(memory, M.SIZE_BYTES)
end

-- Opens or makes the file. Its room is taken at once: a mapped page that the disk has no room for
-- would end the process. Without a file (a full disk) the table is this worker's own memory.
function M.open(path)
  local fd = ffi.C.open(path, bit.bor(O_RDWR, O_CREAT, O_CLOEXEC, O_NOFOLLOW), ffi.cast("int", 384))
  local memory = MAP_FAILED
  if fd >= 0 then
    if ffi.C.posix_fallocate(fd, 0, M.SIZE_BYTES) == 0 then
      memory = ffi.C.mmap(nil, M.SIZE_BYTES, READ_WRITE, SHARED, fd, 0)
    end
    ffi.C.close(fd)
  end
  local shared = memory ~= MAP_FAILED
  if not shared then
    memory = ffi.C.mmap(nil, M.SIZE_BYTES, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0)
    if memory == MAP_FAILED then
      return nil
    end
  end
  ffi.gc(memory, unmap)
  local base = ffi.cast("uint8_t *", memory)
  local header = ffi.cast("seawall_windows_header_t *", base)
  if header.magic ~= MAGIC or header.layout ~= LAYOUT or header.sets ~= SETS or header.ways ~= WAYS then
    ffi.fill(base, M.SIZE_BYTES)
    header.layout, header.sets, header.ways = LAYOUT, SETS, WAYS
    header.magic = MAGIC
  end
  return {
    memory = memory, -- as long as somebody has the table
    clients = ffi.cast("seawall_client_t *", base + HEADER_BYTES),
    shared = shared,
    touch = M.touch,
    failed = M.failed,
    led_on = M.led_on,
    spans = SPANS,
  }
end

-- 32-bit FNV-1a with a seed (Fowler, Noll, Vo).
function M.hash(text, seed)
  local h = bit.bxor(0x811c9dc5, seed)
  for i = 1, #text do
    h = bit.bxor(h, text:byte(i))
    -- h * 16777619, in pieces that a double holds exactly
    h = bit.tobit(bit.lshift(h, 24) + h * 403)
  end
  return h
end

local function find(clients, key0, key1, now_s)
  local set = bit.band(bit.bxor(key0, bit.rshift(key1, 7)), SETS - 1) * WAYS
  local oldest, oldest_s = set, 4294967296
  for i = set, set + WAYS - 1 do
    local client = clients[i]
    if client.key[0] == key0 and client.key[1] == key1 then
      return client, i
    end
    local seen_s = client.seen_s
    -- One that is far ahead is from before the clock was set back: it would be in use for longest.
    if seen_s > now_s + AHEAD_S then
      seen_s = 0
    end
    if seen_s < oldest_s then
      oldest, oldest_s = i, seen_s
    end
  end
  local client = clients[oldest]
  ffi.fill(client, ffi.sizeof("seawall_client_t"))
  client.key[0], client.key[1] = key0, key1
  return client, oldest
end

local function turn(span, epoch)
  if span.epoch == epoch then
    return
  end
  if span.epoch == epoch - 1 then
    span.n_before, span.errors_before, span.assets_before = span.n, span.errors, span.assets
    span.paths_before[0], span.paths_before[1] = span.paths[0], span.paths[1]
  else
    span.n_before, span.errors_before, span.assets_before = 0, 0, 0
    span.paths_before[0], span.paths_before[1] = 0, 0
  end
  span.n, span.errors, span.assets, span.paths[0], span.paths[1] = 0, 0, 0, 0, 0
  span.epoch = epoch
end

local function ones(x)
  x = x - bit.band(bit.rshift(x, 1), 0x55555555)
  x = bit.band(x, 0x33333333) + bit.band(bit.rshift(x, 2), 0x33333333)
  x = bit.band(x + bit.rshift(x, 4), 0x0f0f0f0f)
  x = x + bit.rshift(x, 8)
  return bit.band(x + bit.rshift(x, 16), 0x3f)
end

local DISTINCT = {}
for zeros = 0, 64 do
  DISTINCT[zeros] = math.floor(64 * math.log(64 / math.max(zeros, 0.5)) + 0.5)
end

-- Counts one request, and writes what is known of the client into `out` (a table that is reused):
-- requests and paths as whole numbers, errors and assets as shares of the requests, for each span; and the
-- arrivals. `came`: 1 for an arrival, -1 for what comes of a page, 0 for what is neither, 2 for what counts
-- unless the path is one of the last minutes; address: a hash.
-- Returns the entry's number, for `failed`.
function M.touch(self, key0, key1, path_hash, asset, came, address, now_s, out)
  local client, index = find(self.clients, key0, key1, now_s)
  local same = client.address == address and now_s - client.seen_s <= FORGOTTEN_S
  local arrivals, again = same and came >= 0 and client.arrivals or 0, false
  -- The low bits of FNV alone are much alike for paths that differ in their last letter.
  local mixed = bit.bxor(path_hash, bit.rshift(path_hash, 15), bit.rshift(path_hash, 27))
  local word = bit.band(bit.rshift(mixed, 5), 1)
  local mask = bit.lshift(1, bit.band(mixed, 31))
  for i = 0, 2 do
    local span, length = client.spans[i], SPANS[i + 1]
    local epoch = math.floor(now_s / length)
    turn(span, epoch)
    local left = 1 - (now_s - epoch * length) / length
    span.n = span.n + 1
    if asset then
      span.assets = span.assets + 1
    end
    again = bit.band(bit.bor(span.paths[word], span.paths_before[word]), mask) ~= 0
    span.paths[word] = bit.bor(span.paths[word], mask)
    local n = span.n + span.n_before * left
    out[i + 1] = math.floor(n + 0.5)
    local seen0, seen1 = span.paths[0], span.paths[1]
    if left > 0.5 then
      seen0, seen1 = bit.bor(seen0, span.paths_before[0]), bit.bor(seen1, span.paths_before[1])
    end
    out[i + 4] = DISTINCT[64 - ones(seen0) - ones(seen1)]
    out[i + 7] = (span.errors + span.errors_before * left) / n
    out[i + 10] = (span.assets + span.assets_before * left) / n
  end
  if came == 1 or (came == 2 and not again) then
    arrivals = arrivals + 1
  end
  client.address, client.seen_s, client.arrivals = address, now_s, arrivals
  out[13] = arrivals
  return index
end

-- The entry that `touch` returned, if it still is that client.
local function entry(self, index, key0, key1)
  if index < 0 or index >= SETS * WAYS then
    return nil
  end
  local client = self.clients[index]
  return client.key[0] == key0 and client.key[1] == key1 and client or nil
end

-- Counts an answer that tells an error of the client.
function M.failed(self, index, key0, key1)
  local client = entry(self, index, key0, key1)
  for i = 0, client and 2 or -1 do
    client.spans[i].errors = client.spans[i].errors + 1
  end
end

-- A redirect, or a page that could not be had: who follows it or tries again does not arrive twice.
function M.led_on(self, index, key0, key1)
  local client = entry(self, index, key0, key1)
  if client and client.arrivals > 0 then
    client.arrivals = client.arrivals - 1
  end
end

return M
