-- Whether a client that names itself a bot is that bot, from what was found out before: released
-- ranges, and verdicts in a file beside the slot. What is not known is asked by a claim in another
-- file; the answer serves the client's next request. Nothing here waits, and nothing here raises: a
-- missing, foreign or broken file is "unknown". The files byte by byte: seawall/verify/mapping.py.
--
-- Files are read with pread and written with pwrite, never mapped: a shortened file or a full disk
-- would end the process that touches a mapping, and here that is Envoy.

local ffi = require("ffi")
local bit = require("bit")
local band, bor, bxor, rol = bit.band, bit.bor, bit.bxor, bit.rol
local rshift, tobit = bit.rshift, bit.tobit
local find, sub, byte, lower = string.find, string.sub, string.byte, string.lower

pcall(ffi.cdef, "int open(const char *path, int flags, ...);")
pcall(ffi.cdef, "int close(int fd);")
pcall(ffi.cdef, "int inet_pton(int family, const char *text, void *address);")
pcall(ffi.cdef, "int posix_fallocate(int fd, int64_t offset, int64_t length);")
pcall(ffi.cdef, "int64_t lseek(int fd, int64_t offset, int whence);")
pcall(ffi.cdef, "int64_t pread(int fd, void *to, size_t length, int64_t offset);")
pcall(ffi.cdef, "int64_t pwrite(int fd, const void *from, size_t length, int64_t offset);")
local C = ffi.C

local O_RDONLY, O_RDWR, O_CREAT = 0, 2, 64
local O_SAFE = bor(131072, 524288, 2048) -- O_NOFOLLOW, O_CLOEXEC, O_NONBLOCK (Linux, x86-64)
if ffi.arch == "arm64" then
  O_SAFE = bor(32768, 524288, 2048)
end
local SEEK_END, AF_INET, AF_INET6 = 2, 2, 10
local HEADER_BYTES, ENTRY_WORDS, CLAIM_WORDS = 64, 10, 8

local M = { claims_written = 0, claims_dropped = 0 }
local data = nil
local numbers, names, lists = {}, {}, {}
-- Words and the numbers of their bots, in the order in which they are looked for.
local tokens, token_bots = {}, {}

-- Claims by user agent: two tables, the older of which is dropped when the newer is full.
local CACHE_MAX = 1000
local newer, older, newer_count = {}, {}, 0

local function word_at(text, place)
  local code = byte(text, place)
  if not code then
    return false
  end
  return (code >= 48 and code <= 57) or (code >= 97 and code <= 122)
end

local function contains(text, token)
  local first, last = find(text, token, 1, true)
  while first do
    if not (first > 1 and word_at(text, first - 1)) and not word_at(text, last + 1) then
      return true
    end
    first, last = find(text, token, first + 1, true)
  end
  return false
end

local function search(text)
  text = lower(text)
  for index = 1, #tokens do
    if contains(text, tokens[index]) then
      return numbers[token_bots[index]] or false
    end
  end
  return false
end

-- The bot that a user agent says it is (number, name, category, ...), or nil.
function M.claim(user_agent)
  if type(user_agent) ~= "string" or not data or user_agent == "" then
    return nil
  end
  local text = sub(user_agent, 1, data.limits.user_agent_bytes_max)
  local found = newer[text]
  if found ~= nil then
    return found or nil
  end
  found = older[text]
  if found == nil then
    found = search(text)
  end
  if newer_count >= CACHE_MAX then
    newer, older, newer_count = {}, newer, 0
  end
  newer[text] = found
  newer_count = newer_count + 1
  return found or nil
end

-- The bot of a name, or nil.
function M.named(name)
  return data and names[name]
end

local scratch = ffi.new("uint8_t[16]")
local scratch_words = ffi.cast("uint32_t *", scratch)

-- Reads an address into `to` (16 bytes, IPv4 mapped into IPv6); whether it is one.
local function parse_address(text, to)
  ffi.fill(to, 16)
  if find(text, ":", 1, true) then
    return #text <= 45 and C.inet_pton(AF_INET6, text, to) == 1
  end
  to[10], to[11] = 255, 255
  return #text <= 15 and C.inet_pton(AF_INET, text, to + 12) == 1
end

local function be(bytes, place)
  return bytes[place] * 16777216 + bytes[place + 1] * 65536 + bytes[place + 2] * 256
    + bytes[place + 3]
end

local function before(a, b)
  for index = 1, 4 do
    if a[index] ~= b[index] then
      return a[index] < b[index]
    end
  end
  return false
end

local function read_network(line)
  local address, length = line:match("^([%x:.]+)/(%d+)$")
  address = address or line:match("^([%x:.]+)$")
  if not address or not parse_address(address, scratch) then
    return nil
  end
  local bits = find(address, ":", 1, true) and 0 or 96
  length = length and tonumber(length) + bits or 128
  if length > 128 or length < bits then
    return nil
  end
  local low, high = {}, {}
  for index = 1, 4 do
    local free = 32 - math.max(0, math.min(32, length - (index - 1) * 32))
    local value = be(scratch, (index - 1) * 4)
    low[index] = value - value % 2 ^ free
    high[index] = low[index] + 2 ^ free - 1
  end
  return { low, high }
end

-- Addresses as four words each, one after another in plain memory: Lua's collector goes through every table
-- again and again, and lists have thousands of networks.
local function packed(addresses, count)
  local words = ffi.new("uint32_t[?]", 4 * count)
  for place = 0, 4 * count - 1 do
    words[place] = addresses[rshift(place, 2) + 1][band(place, 3) + 1]
  end
  return words
end

-- A list's text as sorted, disjoint networks. One broken line empties it, and without a date it can
-- make no impostor.
local function read_list(text)
  local networks, date = {}, nil
  for line in text:gmatch("[^\n]+") do
    if sub(line, 1, 1) == "#" then
      date = date or tonumber(line:match("^# fetched: (%d+)$"))
    else
      local network = read_network(line)
      if not network or #networks >= data.limits.ranges_per_list_max then
        return { count = 0 }
      end
      networks[#networks + 1] = network
    end
  end
  table.sort(networks, function(a, b)
    return before(a[1], b[1])
  end)
  local lows, highs, count = {}, {}, 0
  for _, network in ipairs(networks) do
    if count > 0 and not before(highs[count], network[1]) then
      if before(highs[count], network[2]) then
        highs[count] = network[2]
      end
    else
      count = count + 1
      lows[count], highs[count] = network[1], network[2]
    end
  end
  return { lows = packed(lows, count), highs = packed(highs, count), count = count, date = date }
end

-- Below 0 when the address in `scratch` lies before that at `place` of `words`, above 0 when behind it.
local function order(words, place)
  for index = 0, 3 do
    local difference = be(scratch, index * 4) - words[place * 4 + index]
    if difference ~= 0 then
      return difference
    end
  end
  return 0
end

local function inside(list)
  local low, high = 0, list.count - 1
  while low <= high do
    local middle = rshift(low + high, 1)
    if order(list.lows, middle) < 0 then
      high = middle - 1
    elseif order(list.highs, middle) > 0 then
      low = middle + 1
    else
      return true
    end
  end
  return false
end

-- Takes the generated data (see seawall/verify/lua.py) into use, and keeps no more of it than is asked for.
local NO_RANGES = {}
function M.use(generated)
  data = { limits = generated.limits }
  numbers, names, tokens, token_bots, lists = {}, {}, {}, {}, {}
  newer, older, newer_count = {}, {}, 0
  for _, bot in ipairs(generated.bots) do
    bot.ranges = #bot.ranges > 0 and bot.ranges or NO_RANGES
    numbers[bot.number] = bot
    names[bot.name] = bot
  end
  for index, token in ipairs(generated.tokens) do
    tokens[index], token_bots[index] = token[1], token[2]
  end
  for name, text in pairs(generated.lists) do
    local fine, list = pcall(read_list, text)
    lists[name] = fine and list or { count = 0 }
  end
end

local function mixed(value, word)
  return tobit(rol(bxor(value, tobit(word)), 13) * 5 + 0xE6546B64)
end

-- See `digest` in seawall/verify/mapping.py; signed here.
local function digest(seed, words, count)
  local value = seed
  for index = 0, count - 1 do
    value = mixed(value, words[index])
  end
  value = mixed(mixed(value, 0x9E3779B9), 0x85EBCA6B)
  return bxor(value, rshift(value, 16))
end

local header = ffi.new("uint32_t[16]")

local function fits(fd, magic, groups, ways, words)
  if C.lseek(fd, 0, SEEK_END) ~= HEADER_BYTES + groups * ways * words * 4 then
    return false
  end
  if C.pread(fd, header, HEADER_BYTES, 0) ~= HEADER_BYTES then
    return false
  end
  return ffi.string(header, 8) == magic and header[2] == groups and header[3] == ways
    and header[4] == words * 4 and header[6] == 0
end

local function open_file(path, flags)
  local mode = ffi.cast("int", 384) -- 0600
  local fd = C.open(path, bor(flags, O_SAFE), mode)
  return fd >= 0 and fd or nil
end

local verdicts_path, claims_path = nil, nil
local verdicts_seed, opened_s = 0, -1

-- The open files by these numbers, -1 for none. Every release makes machines anew in an Envoy that
-- runs for months, so they are closed with their machine too.
local VERDICTS, CLAIMS = 0, 1
local function shut(files)
  for i = VERDICTS, CLAIMS do
    if files[i] >= 0 then
      C.close(files[i])
      files[i] = -1
    end
  end
end
local fds = ffi.gc(ffi.new("int[2]", -1), shut)

local function open_verdicts()
  local size = data.limits
  local fd = open_file(verdicts_path, O_RDONLY)
  if fd and fits(fd, "SWVERD01", size.verdict_buckets, size.verdict_ways, ENTRY_WORDS) then
    verdicts_seed = header[5]
    return fd
  end
  if fd then
    C.close(fd)
  end
  return nil
end

local function open_claims()
  local groups, ways = data.limits.claim_groups, data.limits.claim_ways
  local fd = open_file(claims_path, bor(O_RDWR, O_CREAT))
  if not fd then
    return nil
  end
  local size = HEADER_BYTES + groups * ways * CLAIM_WORDS * 4
  local length = C.lseek(fd, 0, SEEK_END)
  if length == 0 and C.posix_fallocate(fd, 0, size) == 0 then
    ffi.fill(header, HEADER_BYTES)
    ffi.copy(header, "SWCLAM01", 8)
    header[2], header[3], header[4] = groups, ways, CLAIM_WORDS * 4
    C.pwrite(fd, header, HEADER_BYTES, 0)
  end
  if fits(fd, "SWCLAM01", groups, ways, CLAIM_WORDS) then
    return fd
  end
  C.close(fd)
  return nil
end

-- Says where the files are. They are opened when first needed, and again from time to time, so that
-- a file that was missing or was made anew is found. Makes the claims file when it is missing.
function M.open(path_verdicts, path_claims)
  shut(fds)
  verdicts_path, claims_path, opened_s = path_verdicts, path_claims, -1
end

local function refresh(now_s)
  if not verdicts_path or not claims_path then
    return
  end
  if opened_s >= 0 and now_s - opened_s < data.limits.reopen_s and now_s >= opened_s then
    return
  end
  shut(fds)
  opened_s = now_s
  fds[VERDICTS], fds[CLAIMS] = open_verdicts() or -1, open_claims() or -1
end

local asked = ffi.new("uint32_t[5]") -- address and bot's number
local group_bytes = 0
local group = nil

-- The verdict on (address in `scratch`, bot): outcome, whether it should be asked again, and whether
-- its entry was being written just now.
local function read_verdict(bot_number, now_s)
  if fds[VERDICTS] < 0 then
    return "unknown", true
  end
  local size = data.limits
  local bytes = size.verdict_ways * ENTRY_WORDS * 4
  if bytes ~= group_bytes then
    group, group_bytes = ffi.new("uint32_t[?]", bytes / 4), bytes
  end
  ffi.copy(asked, scratch, 16)
  asked[4] = bot_number
  local place = band(digest(verdicts_seed, asked, 5), size.verdict_buckets - 1)
  if C.pread(fds[VERDICTS], group, bytes, HEADER_BYTES + place * bytes) ~= bytes then
    return "unknown", true
  end
  for way = 0, size.verdict_ways - 1 do
    local entry = group + way * ENTRY_WORDS
    if band(entry[4], 0xFFFF) == bot_number and entry[6] == scratch_words[0]
      and entry[7] == scratch_words[1] and entry[8] == scratch_words[2]
      and entry[9] == scratch_words[3] then
      if band(entry[0], 1) ~= 0 or digest(entry[0], entry + 2, 8) ~= tobit(entry[1]) then
        return "unknown", true, true
      end
      local expires, stale = tonumber(entry[2]), tonumber(entry[3])
      local outcome = rshift(entry[4], 16)
      local word = outcome == 1 and "verified" or outcome == 2 and "impostor" or "unknown"
      if now_s >= stale or stale - now_s > size[word .. "_age_s_max"] then
        return "unknown", true
      end
      return word, now_s >= expires
    end
  end
  return "unknown", true
end

local function verdict(bot_number, now_s)
  local word, ask, torn = read_verdict(bot_number, now_s)
  if torn then
    word, ask = read_verdict(bot_number, now_s)
  end
  return word, ask
end

local claim_entry = ffi.new("uint32_t[8]")
local network = ffi.new("uint8_t[16]")
local network_words = ffi.cast("uint32_t *", network)
local recent, second, written = {}, -1, 0

local function write_claim(bot_number, now_s)
  local now = math.floor(now_s)
  if now ~= second then
    recent, second, written = {}, now, 0
  end
  local key = ffi.string(scratch, 16) .. bot_number
  if recent[key] then
    return
  end
  if fds[CLAIMS] < 0 or written >= data.limits.claims_per_s_max then
    M.claims_dropped = M.claims_dropped + 1
    return
  end
  recent[key] = true
  written = written + 1
  local ways = data.limits.claim_ways
  claim_entry[1], claim_entry[2], claim_entry[3] = now, bot_number, 0
  ffi.copy(claim_entry + 4, scratch, 16)
  claim_entry[0] = digest(0, claim_entry + 1, 7)
  -- IPv4 by /24, IPv6 by /48.
  ffi.fill(network, 16)
  local mapped = scratch_words[0] == 0 and scratch_words[1] == 0
    and scratch_words[2] == 0xFFFF0000
  ffi.copy(network, scratch, mapped and 15 or 6)
  local place = band(digest(0, network_words, 4),
    data.limits.claim_groups - 1)
  ffi.copy(asked, scratch, 16)
  asked[4] = bot_number
  local way = (digest(0, asked, 5) % 4294967296) % ways
  local offset = HEADER_BYTES + (place * ways + way) * CLAIM_WORDS * 4
  if C.pwrite(fds[CLAIMS], claim_entry, 32, offset) == 32 then
    M.claims_written = M.claims_written + 1
  else
    M.claims_dropped = M.claims_dropped + 1
  end
end

local function state(address_text, bot_number, now_s)
  local bot = numbers[bot_number]
  if not bot or not parse_address(address_text, scratch) then
    return "unknown"
  end
  local excluded = #bot.ranges > 0
  for index = 1, #bot.ranges do
    local list = lists[bot.ranges[index]]
    if not list or list.count == 0 then
      excluded = false
    else
      if inside(list) then
        return "verified"
      end
      local age = list.date and now_s - list.date
      if not age or age > data.limits.ranges_stale_s or age < -86400 then
        excluded = false
      end
    end
  end
  if bot.only_ranges then
    return excluded and "impostor" or "unknown"
  end
  if not bot.dns then
    return "unknown"
  end
  refresh(now_s)
  local word, ask = verdict(bot_number, now_s)
  if ask then
    write_claim(bot_number, now_s)
  end
  return word
end

-- What is known of a client at `address_text` (no port) that says it is the bot of this number:
-- "verified", "impostor" or "unknown". `now_s` is Unix seconds.
function M.state(address_text, bot_number, now_s)
  if not data or type(address_text) ~= "string" or type(now_s) ~= "number" then
    return "unknown"
  end
  local fine, word = pcall(state, address_text, bot_number, now_s)
  return fine and word or "unknown"
end

-- Headers of a request that go to the origin only, also when a signature covers them.
local SECRET = { cookie = true, authorization = true, ["proxy-authorization"] = true }
local QUOTED = '"([a-z0-9!#$&^_`|~.*+-]+)"'

-- The headers of a question to the bot service about a signed request (seawall/verify/app.py); nil
-- when the request has no Web Bot Auth signature. `get(name)` gives a header of the request or nil.
function M.question(method, scheme, authority, path, get)
  local input, signature = get("signature-input"), get("signature")
  if not input or not signature or not find(input, '"web-bot-auth"', 1, true) then
    return nil
  end
  local headers = {
    [":method"] = "POST",
    [":path"] = "/internal/signature",
    [":authority"] = "bots",
    ["x-seawall-sig-method"] = method,
    ["x-seawall-sig-scheme"] = scheme,
    ["x-seawall-sig-authority"] = authority,
    ["x-seawall-sig-path"] = path,
    ["x-seawall-sig-h-signature-input"] = input,
    ["x-seawall-sig-h-signature"] = signature,
    ["x-seawall-sig-h-signature-agent"] = get("signature-agent"),
  }
  local count = 0
  for name in input:gmatch(QUOTED) do
    count = count + 1
    local key = "x-seawall-sig-h-" .. name
    if count <= 32 and not SECRET[name] and headers[key] == nil then
      headers[key] = get(name)
    end
  end
  return headers
end

-- The answer to such a question: "verified", "impostor" or "unknown", and the bot's name or nil.
function M.answer(body)
  if type(body) ~= "string" then
    return "unknown", nil
  end
  local word, name = body:match("^(%l+) ([%l%d-]+)")
  -- Without the service this is Envoy's own text about it.
  if word ~= "verified" and word ~= "impostor" and word ~= "unknown" then
    return "unknown", nil
  end
  return word, name ~= "-" and name or nil
end

return M
