-- Verifies clearance tokens inside Envoy; the specification is seawall/challenge/token.py.
--
--   local c = M.new{ keys = { kid = "64 hex digits", ... }, epoch = 7 }
--   local level, reason, probes = c:check(text, host, prefix, ja4, now_s)
--
-- `level` is 1 to 3, or nil with the reason of the refusal in words of `RefusalReason`. `probes` is a
-- whole number, or nil when no probes were asked for. No input raises. A check of an unknown token costs four
-- SHA-256 blocks, of a known one a table lookup: keys are hashed into midstates once, at load.
local ffi = require("ffi")
local bit = require("bit")
local band, bor, bxor, bnot = bit.band, bit.bor, bit.bxor, bit.bnot
local ror, rshift, lshift, bswap, tobit = bit.ror, bit.rshift, bit.lshift, bit.bswap, bit.tobit
local byte, sub, lower = string.byte, string.sub, string.lower
local tonumber, type = tonumber, type

local M = {}

-- As in seawall.limits; a test compares them.
M.TEXT_MAX = 96
M.HOST_MAX = 255
M.PREFIX_MAX = 64
M.JA4_MAX = 64
M.LIFETIME_MAX = 86400
M.SKEW = 30
M.CACHE_MAX = 1024

local INITIAL = ffi.new("int32_t[8]", {
  tobit(0x6a09e667), tobit(0xbb67ae85), tobit(0x3c6ef372), tobit(0xa54ff53a),
  tobit(0x510e527f), tobit(0x9b05688c), tobit(0x1f83d9ab), tobit(0x5be0cd19),
})
local ROUND = ffi.new("int32_t[64]")
for i, word in ipairs({
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}) do
  ROUND[i - 1] = tobit(word)
end
local BIG = ffi.abi("be")

-- One buffer and one schedule for a Lua state: a check never yields, so nobody else uses them.
local BUFFER_SIZE = 640
local buffer = ffi.new("uint8_t[?]", BUFFER_SIZE)
local words = ffi.cast("int32_t *", buffer)
local W = ffi.new("int32_t[64]")
local state = ffi.new("int32_t[8]")
local outer_block = ffi.new("int32_t[16]")

-- FIPS 180-4, section 6.2.2: 64 bytes at `from` (as 16 words) into `h`.
local function compress(h, from, swapped)
  if swapped then
    for t = 0, 15 do W[t] = from[t] end
  else
    for t = 0, 15 do W[t] = bswap(from[t]) end
  end
  for t = 16, 63 do
    local x, y = W[t - 15], W[t - 2]
    W[t] = tobit(
      bxor(ror(x, 7), ror(x, 18), rshift(x, 3)) + W[t - 7]
        + bxor(ror(y, 17), ror(y, 19), rshift(y, 10)) + W[t - 16]
    )
  end
  local a, b, c, d, e, f, g, k = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
  for t = 0, 63 do
    local t1 = tobit(
      k + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(g, band(e, bxor(f, g))) + ROUND[t] + W[t]
    )
    local t2 = tobit(bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bor(band(a, b), band(c, bor(a, b))))
    k, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
  end
  -- A sum that leaves 32 bits must not be stored as it is: what LuaJIT makes of it is undefined.
  h[0], h[1], h[2], h[3] = tobit(h[0] + a), tobit(h[1] + b), tobit(h[2] + c), tobit(h[3] + d)
  h[4], h[5], h[6], h[7] = tobit(h[4] + e), tobit(h[5] + f), tobit(h[6] + g), tobit(h[7] + k)
end

-- The state after one block of `key` with each byte xor `pad` (RFC 2104).
local function midstate(key, pad)
  local block = ffi.new("uint8_t[64]")
  for i = 0, 63 do block[i] = bxor(i < #key and byte(key, i + 1) or 0, pad) end
  local h = ffi.new("int32_t[8]")
  ffi.copy(h, INITIAL, 32)
  compress(h, ffi.cast("int32_t *", block), BIG)
  return h
end

-- HMAC-SHA-256 of the first `size` bytes of `buffer`; leaves the digest in `state`. Overwrites the buffer's rest.
local function hmac(key, size)
  local total = size + 64
  buffer[size] = 0x80
  local blocks = rshift(size + 8, 6) + 1
  ffi.fill(buffer + size + 1, blocks * 64 - size - 1)
  local last = blocks * 64
  local bits = total * 8
  buffer[last - 4] = rshift(bits, 24)
  buffer[last - 3] = band(rshift(bits, 16), 255)
  buffer[last - 2] = band(rshift(bits, 8), 255)
  buffer[last - 1] = band(bits, 255)
  ffi.copy(state, key.inner, 32)
  for i = 0, blocks - 1 do compress(state, words + i * 16, BIG) end
  for i = 0, 7 do outer_block[i] = state[i] end
  outer_block[8] = tobit(0x80000000)
  for i = 9, 14 do outer_block[i] = 0 end
  outer_block[15] = (64 + 32) * 8
  ffi.copy(state, key.outer, 32)
  compress(state, outer_block, true)
end

local ALPHABET = ffi.new("uint8_t[64]")
ffi.copy(ALPHABET, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 64)

-- Whether base64url of the first 16 bytes of `state` stands in `text` at `from`. Encodings are compared, so
-- that a MAC has one spelling; all 22 characters are looked at, so that time says nothing.
local function same_mac(text, from)
  local differ = 0
  for i = 0, 21 do
    local at = i * 6
    local word, offset = rshift(at, 5), band(at, 31)
    local six
    if offset <= 26 then
      six = rshift(state[word], 26 - offset)
    else
      six = bor(lshift(state[word], offset - 26), rshift(state[word + 1], 58 - offset))
    end
    if i == 21 then six = band(six, 0x30) end -- 16 bytes end inside the last character
    differ = bor(differ, bxor(ALPHABET[band(six, 63)], byte(text, from + i)))
  end
  return differ == 0
end

-- Host in lower case, without port: what a cookie is for.
function M.bound_host(authority)
  local last = #authority
  while last > 0 do
    local b = byte(authority, last)
    if b < 48 or b > 57 then break end
    last = last - 1
  end
  if last > 1 and byte(authority, last) == 58 then authority = sub(authority, 1, last - 1) end
  return lower(authority)
end

local function visible(text, longest)
  local size = #text
  if size == 0 or size > longest then return false end
  for i = 1, size do
    local b = byte(text, i)
    if b < 0x21 or b > 0x7e then return false end
  end
  return true
end

-- Digits from..to as a number, written the one way: no sign, no zero in front, at most 11; nil otherwise.
local function number(text, from, to)
  local size = to - from + 1
  if size < 1 or size > 11 then return nil end
  local value = 0
  for i = from, to do
    local b = byte(text, i)
    if b < 48 or b > 57 then return nil end
    value = value * 10 + (b - 48)
  end
  if size > 1 and byte(text, from) == 48 then return nil end
  return value
end

local function urlsafe(text, from, to)
  for i = from, to do
    local b = byte(text, i)
    if not ((b >= 48 and b <= 57) or (b >= 65 and b <= 90) or (b >= 97 and b <= 122) or b == 45 or b == 95) then
      return false
    end
  end
  return true
end

local function key_name(text, from, to)
  if to < from or to - from > 7 then return nil end
  for i = from, to do
    local b = byte(text, i)
    if not ((b >= 48 and b <= 57) or (b >= 97 and b <= 122)) then return nil end
  end
  return sub(text, from, to)
end

-- The fields of a token: kid, issued, expires, level, epoch, probes (-1: not asked), start of its MAC; or nil.
local function parse(text)
  local size = #text
  if size > M.TEXT_MAX or size < 50 then return nil end
  if byte(text, 1) ~= 49 or byte(text, 2) ~= 46 then return nil end
  local d2, d3, d4, d5, d6, d7, d8
  local dots = 0
  for i = 1, size do
    if byte(text, i) == 46 then
      dots = dots + 1
      if dots == 2 then d2 = i
      elseif dots == 3 then d3 = i
      elseif dots == 4 then d4 = i
      elseif dots == 5 then d5 = i
      elseif dots == 6 then d6 = i
      elseif dots == 7 then d7 = i
      elseif dots == 8 then d8 = i
      end
    end
  end
  if dots ~= 8 or size - d8 ~= 22 or d8 - d7 ~= 17 then return nil end
  local kid = key_name(text, 3, d2 - 1)
  local issued, expires = number(text, d2 + 1, d3 - 1), number(text, d3 + 1, d4 - 1)
  local level, epoch = number(text, d4 + 1, d5 - 1), number(text, d5 + 1, d6 - 1)
  local probes
  if d7 - d6 == 2 and byte(text, d6 + 1) == 45 then
    probes = -1
  elseif d7 - d6 <= 5 then
    probes = number(text, d6 + 1, d7 - 1)
  end
  if not (kid and issued and expires and level and epoch and probes) then return nil end
  if level < 1 or level > 3 then return nil end
  if not urlsafe(text, d7 + 1, d8 - 1) or not urlsafe(text, d8 + 1, size) then return nil end
  return kid, issued, expires, level, epoch, probes, d8 + 1
end

local function standing(self, issued, expires, now_s)
  if not (issued <= now_s + M.SKEW) then return "future" end
  if not (now_s < expires) then return "expired" end
  local lifetime = expires - issued
  if not (lifetime > 0 and lifetime <= M.LIFETIME_MAX) then return "lifetime" end
  return nil
end

local function remember(self, name, entry)
  if self.held >= M.CACHE_MAX then
    self.older, self.newer, self.held = self.newer, {}, 0
  end
  self.newer[name] = entry
  self.held = self.held + 1
end

local function answer(self, entry, now_s)
  local reason = standing(self, entry.issued, entry.expires, now_s)
  if reason then return nil, reason end
  if entry.probes < 0 then return entry.level, nil, nil end
  return entry.level, nil, entry.probes
end

local function fill(at, text)
  local size = #text
  ffi.copy(buffer + at, text, size)
  return at + size
end

local C = {}
C.__index = C

function C.check(self, text, host, prefix, ja4, now_s)
  if type(text) ~= "string" or #text > M.TEXT_MAX then return nil, "malformed" end
  if type(now_s) ~= "number" then return nil, "expired" end
  if type(host) ~= "string" or type(prefix) ~= "string" or type(ja4) ~= "string" then return nil, "binding" end
  if #host > M.HOST_MAX + 6 or #prefix > M.PREFIX_MAX or #ja4 > M.JA4_MAX then
    if parse(text) == nil then return nil, "malformed" end
    return nil, "binding"
  end
  local name = text .. "\n" .. host .. "\n" .. prefix .. "\n" .. ja4
  local known = self.newer[name] or self.older[name]
  if known then return answer(self, known, now_s) end

  local kid, issued, expires, level, epoch, probes, at = parse(text)
  if kid == nil then return nil, "malformed" end
  host = M.bound_host(host)
  if not (visible(host, M.HOST_MAX) and visible(prefix, M.PREFIX_MAX) and visible(ja4, M.JA4_MAX)) then
    return nil, "binding"
  end
  local key = self.keys[kid]
  if key == nil then return nil, "key" end
  ffi.copy(buffer, text, at - 2)
  local size = at - 2
  size = fill(size, "\n"); size = fill(size, host)
  size = fill(size, "\n"); size = fill(size, prefix)
  size = fill(size, "\n"); size = fill(size, ja4)
  hmac(key, size)
  if not same_mac(text, at) then return nil, "mac" end
  if epoch ~= self.epoch then return nil, "epoch" end
  local entry = { level = level, issued = issued, expires = expires, probes = probes }
  remember(self, name, entry)
  return answer(self, entry, now_s)
end

local function unhex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

-- Raises at load, before any request, when a key is not 32 bytes of hex.
function M.new(options)
  local keys = {}
  for kid, hex in pairs(options.keys) do
    if type(hex) ~= "string" or #hex ~= 64 or hex:find("%X") then error("clearance key " .. tostring(kid) .. " is not 64 hex digits") end
    local key = unhex(hex)
    keys[kid] = { inner = midstate(key, 0x36), outer = midstate(key, 0x5c) }
  end
  return setmetatable({ keys = keys, epoch = options.epoch, newer = {}, older = {}, held = 0 }, C)
end

-- The first cookie called `name` from `from` on in a Cookie header, at most TEXT_MAX characters long, and where
-- to look for the next one; nil when there is none.
-- Only a semicolon begins one: the value of another, which a neighbouring host may set, may have spaces and
-- our name in it (`x=1 __Host-seawall=`).
function M.cookie(header, name, from)
  if type(header) ~= "string" then return nil end
  local wanted = name .. "="
  from = from or 1
  while true do
    local first = header:find(wanted, from, true)
    if not first then return nil end
    local before = first - 1
    while before > 0 and (byte(header, before) == 32 or byte(header, before) == 9) do before = before - 1 end
    if before == 0 or byte(header, before) == 59 then
      local stop = header:find(";", first, true) or #header + 1
      local start = first + #wanted
      if stop - start <= M.TEXT_MAX then return sub(header, start, stop - 1), stop end
      from = stop
    else
      from = first + 1
    end
  end
end

return M
