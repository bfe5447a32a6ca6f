-- What a JA4 fingerprint says, told from the table of known clients.
--
-- M.new(table_text) -> object      table_text is what seawall.bots.ja4.lua_table() writes; a text
--                                  that is not is an error, so a bad table is refused at load.
-- object:read(text) -> facts       never raises; the same text gives the same (cached) table.
--
-- facts.stable      JA4_a without its count of extensions and its protocol, "_", JA4_b: the same for
--                   one client through GREASE, resumption, and a WebSocket that offers HTTP/1.1
--                   only. Windows and clearance are bound to it.
-- facts.canonical   the JA4 of the same client with GREASE removed and a fresh handshake, where the
--                   table knows it; otherwise the text itself.
-- Both are "-" when there is no JA4 (plain HTTP, HTTP/3) or it is none. All others are codes, 0
-- absent: tls 1 TLS 1.2, 2 TLS 1.3, 3 older, 4 other; sni 1 not sent, 2 sent; ciphers, extensions
-- counts up to 90, extensions as in a fresh handshake where the table knows; alpn 1 none, 2 h1,
-- 3 h2, 4 other; family and generation of the table; known 1 unknown, 2 all but JA4_c known,
-- 3 known (with 2, families is the set of all that share JA4_b); grease 1 no leak, 2 leak of 0a0a, 3 leak of another value, 0 when unknown.
--
-- Why the table has so many rows: Envoy leaves GREASE in the signature algorithms, so one Chrome
-- has 16 JA4_c, and a resumed handshake has one extension more.

local M = {}

local COUNT_MAX = 90
local CACHE_MAX = 2048
local JA4_LENGTH = 36
local PATTERN = "^([tqd])(%w%w)([di])(%d%d)(%d%d)(%w%w)_(%x%x%x%x%x%x%x%x%x%x%x%x)"
  .. "_(%x%x%x%x%x%x%x%x%x%x%x%x)$"
local VERSIONS = { ["13"] = 2, ["12"] = 1, ["11"] = 3, ["10"] = 3, ["s3"] = 3, ["s2"] = 3 }
local ALPNS = { ["00"] = 1, ["h1"] = 2, ["h2"] = 3 }

local function absent()
  return {
    stable = "-", canonical = "-", tls = 0, sni = 0, ciphers = 0, extensions = 0, alpn = 0,
    family = 0, generation = 0, known = 0, grease = 0,
  }
end

local ABSENT = absent()

-- Lines of the table, by their first word:
--   ja4 VERSION ROWS                                                            first, once
--   g GENERATION FAMILY FIRST LAST                                              (read by agent.lua)
--   a FAMILY HANDSHAKE..                                                        (read by agent.lua)
--   b TLS CIPHERS JA4_B FAMILY GENERATION FAMILIES..                            JA4_c unknown
--   c TLS CIPHERS JA4_B JA4_C EXTENSIONS CANONICAL_C MORE LEAK FAMILY GENERATION
-- EXTENSIONS counts neither SNI nor ALPN; MORE is what the canonical handshake has more of them.
-- Rows stay texts until somebody comes with one: Lua's collector goes through every table again and again.
local function row_of(line)
  local tls, ciphers, b, c, extensions, canonical, more, leak, family, generation = line:match(
    "^c (%w%w) (%d+) (%x+) (%x+) (%d+) (%x+) (%-?%d+) ([123]) (%d+) (%d+)$")
  return tls and {
    key = b .. "_" .. c, tls = tls, ciphers = tonumber(ciphers), extensions = tonumber(extensions),
    canonical = canonical, more = tonumber(more), leak = tonumber(leak),
    family = tonumber(family), generation = tonumber(generation),
  }
end

local function parse(text)
  if type(text) ~= "string" then error("ja4 table: no text") end
  local rows, exact, partial = 0, {}, {}
  local version, promised = text:match("^ja4 (%d+) (%d+)\n")
  if version ~= "1" then error("ja4 table: not a table of version 1") end
  for line in text:gmatch("([^\n]*)\n") do
    local kind = line:sub(1, 2)
    if kind == "c " then
      local row = row_of(line)
      if not row then error("ja4 table: a row of no form: " .. line:sub(1, 80)) end
      if exact[row.key] then error("ja4 table: a row stands twice: " .. row.key) end
      exact[row.key] = line
    elseif kind == "b " then
      local tls, ciphers, b, family, generation, several = line:match(
        "^b (%w%w) (%d+) (%x+) (%d+) (%d+) ([%d ]+)$")
      if not tls then error("ja4 table: a row of no form: " .. line:sub(1, 80)) end
      if partial[b] then error("ja4 table: a row stands twice: " .. b) end
      local families = {}
      for code in several:gmatch("%d+") do families[tonumber(code)] = true end
      partial[b] = {
        tls = tls, ciphers = tonumber(ciphers), family = tonumber(family),
        generation = tonumber(generation), families = families,
      }
    elseif kind ~= "g " and kind ~= "a " and kind ~= "ja" then
      error("ja4 table: a row of no kind: " .. line:sub(1, 80))
    end
    rows = rows + 1
  end
  if rows ~= tonumber(promised) + 1 then error("ja4 table: rows are missing") end
  return exact, partial
end

local function capped(number)
  if number > COUNT_MAX then return COUNT_MAX end
  return number
end

local function facts_of(exact, partial, text)
  local transport, tls, sni, ciphers, extensions, alpn, b, c = text:match(PATTERN)
  if not transport then return ABSENT end
  local cipher_count, extension_count = tonumber(ciphers), tonumber(extensions)
  local facts = absent()
  facts.stable = transport .. tls .. sni .. ciphers .. "_" .. b
  facts.canonical = text
  facts.tls = VERSIONS[tls] or 4
  facts.sni = sni == "d" and 2 or 1
  facts.ciphers = capped(cipher_count)
  facts.extensions = capped(extension_count)
  facts.alpn = ALPNS[alpn] or 4
  facts.known = 1
  local near = partial[b]
  if near and near.tls == tls and near.ciphers == cipher_count then
    facts.known, facts.family, facts.generation = 2, near.family, near.generation
    facts.families = near.families
  end
  local line = exact[b .. "_" .. c]
  local row = line and row_of(line)
  if not row or row.tls ~= tls or row.ciphers ~= cipher_count then return facts end
  local others = extension_count - (sni == "d" and 1 or 0)
  -- A client without ALPN shows "00", and so does one whose first protocol is empty.
  if others - (alpn == "00" and 0 or 1) ~= row.extensions then return facts end
  local count = extension_count + row.more
  facts.canonical = ("%s%s%s%s%02d%s_%s_%s"):format(
    transport, tls, sni, ciphers, count, alpn, b, row.canonical)
  facts.extensions = capped(count)
  facts.known, facts.family, facts.generation = 3, row.family, row.generation
  facts.families = nil
  facts.grease = row.leak
  return facts
end

local Reader = {}
Reader.__index = Reader

function Reader:read(text)
  if type(text) ~= "string" or #text ~= JA4_LENGTH then return ABSENT end
  local facts = self.cache[text]
  if facts then return facts end
  facts = facts_of(self.exact, self.partial, text)
  if self.cached >= CACHE_MAX then self.cache, self.cached = {}, 0 end
  self.cache[text] = facts
  self.cached = self.cached + 1
  return facts
end

function M.new(table_text)
  local exact, partial = parse(table_text)
  return setmetatable({ exact = exact, partial = partial, cache = {}, cached = 0 }, Reader)
end

return M
