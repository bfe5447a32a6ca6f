-- Reads the signals of one request: one walk over its headers, and what each text means, which is
-- remembered by text. Writes feature codes as the characters of a vector; see
-- seawall/bots/features.py for names, order and cases. A header that is not there leaves its code
-- at 0, absent. Nothing here may raise, whatever a client sends.
local ffi = require("ffi")

local M = {}

local BASE, CODE_MAX = 35, 90
local MEMO_MAX = 4096
local CHROMIUM, HINTS_SINCE = 1, 89 -- engine code; the first major that sends client hints
local HINT_OS = {
  ['"Windows"'] = 1, ['"macOS"'] = 2, ['"Linux"'] = 3, ['"Android"'] = 4, ['"iOS"'] = 5,
  ['"Chrome OS"'] = 6, ['"Chromium OS"'] = 6,
}
local FIRST = {
  ["user-agent"] = 1, ["accept"] = 2, ["accept-encoding"] = 3, ["accept-language"] = 4,
  ["connection"] = 5, ["sec-ch-ua"] = 6, ["sec-ch-ua-platform"] = 7, ["sec-fetch-dest"] = 8,
  ["upgrade-insecure-requests"] = 9, ["cache-control"] = 10, ["pragma"] = 11, ["cookie"] = 12,
  ["referer"] = 13, ["content-length"] = 14, ["content-type"] = 15, ["sec-fetch-site"] = 16,
  ["sec-fetch-mode"] = 17, ["host"] = 18, ["te"] = 19, ["sec-ch-ua-mobile"] = 20,
  ["origin"] = 21, ["range"] = 22, ["priority"] = 23, ["dnt"] = 24,
}
local PSEUDO = { masp = 1, mpas = 2, msap = 3, mpsa = 4 }
local METHOD = { GET = 1, HEAD = 2, POST = 3, OPTIONS = 4 }
local PROTOCOL = { ["HTTP/1.1"] = 1, ["HTTP/2"] = 2, ["HTTP/3"] = 3 }
local SITE = { none = 1, ["same-origin"] = 2, ["same-site"] = 3, ["cross-site"] = 4 }
local MODE = { navigate = 1, ["no-cors"] = 2, cors = 3, ["same-origin"] = 4, websocket = 5 }
local DEST = { document = 1, image = 2, style = 3, script = 4, empty = 5, font = 6, iframe = 7 }
local CONNECTION = { ["keep-alive"] = 1, close = 2, upgrade = 3 }

local KIND = {
  js = 2, mjs = 2, css = 2, map = 2,
  png = 3, jpg = 3, jpeg = 3, gif = 3, svg = 3, webp = 3, avif = 3, bmp = 3, woff = 3, woff2 = 3,
  ttf = 3, otf = 3, mp4 = 3, webm = 3, mp3 = 3, ogg = 3, ico = 3,
  rss = 4, atom = 4, rdf = 4, json = 5, xml = 5, txt = 1,
  env = 10, git = 10, sql = 10, bak = 10, asp = 10, aspx = 10, cgi = 10, ini = 10, log = 10,
}
local PROBES = { "/.git/", "/.env", "/.aws/", "/.ssh/", "/wp-login", "/wp-admin", "/xmlrpc.php",
  "/phpmyadmin", "/cgi-bin/", "/etc/passwd", "/vendor/phpunit", "/.ds_store", "/.svn/", "/server-status" }

local floor, log, min = math.floor, math.log, math.min
local band = require("bit").band

local function bucket(n)
  if n < 1 then
    return 0
  end
  return min(1 + floor(4 * log(n) / log(2) + 1e-9), CODE_MAX)
end
M.bucket = bucket

local BUCKETS = {}
for n = 0, 4095 do
  BUCKETS[n] = bucket(n)
end

local function contains(text, piece)
  return text:find(piece, 1, true) ~= nil
end

-- kind, depth, bucket of the query's length, hash of the path, path without query.
local function read_path(windows)
  return function(target)
    local query = target:find("?", 1, true)
    local path = query and target:sub(1, query - 1) or target
    local lower = path:lower()
    local _, slashes = path:gsub("/", "")
    local kind = KIND[lower:match("%.([a-z0-9]+)$") or ""] or 1
    if lower == "/robots.txt" then
      kind = 6
    elseif lower == "/favicon.ico" then
      kind = 7
    elseif lower:sub(1, 13) == "/.well-known/" then
      kind = 8
    elseif lower:sub(1, 8) == "/sitemap" and (contains(lower, ".xml") or contains(lower, ".txt")) then
      kind = 9
    elseif kind == 1 and (lower:find("^/api/") or lower:find("^/graphql")) then
      kind = 5
    elseif kind == 1 and (lower:find("/feed/?$") or lower:find("/rss/?$") or lower:find("/atom/?$")) then
      kind = 4
    end
    for i = 1, #PROBES do
      if contains(lower, PROBES[i]) then
        kind = 10
      end
    end
    return {
      path = path,
      kind = kind,
      depth = min(slashes, CODE_MAX),
      query = query and bucket(#target - query) or 0,
      hash = windows.hash(path, 0),
      asset = kind == 2 or kind == 3 or kind == 7,
    }
  end
end

local function read_accept(text)
  if text == "*/*" then
    return 1
  elseif contains(text, "text/html") then
    return 2
  elseif text:sub(1, 6) == "image/" then
    return 3
  elseif contains(text, "json") then
    return 4
  elseif text:sub(1, 8) == "text/css" then
    return 5
  end
  return 6
end

local function read_language(text)
  if text == "*" then
    return 1
  end
  local _, commas = text:gsub(",", "")
  return min(2 + commas, CODE_MAX)
end

local function read_encoding(text)
  local gzip, br, zstd = contains(text, "gzip"), contains(text, "br"), contains(text, "zstd")
  if zstd then
    return gzip and br and 5 or 6
  elseif br then
    return gzip and 4 or 6
  elseif gzip then
    return contains(text, "deflate") and 3 or 2
  end
  return (text == "identity" or text == "") and 1 or 6
end

local function read_cache(text)
  if text == "max-age=0" then
    return 1
  end
  return text == "no-cache" and 2 or 3
end

-- Whether there is a cookie that is not Seawall's own: a clearance is told by itself, and who passed a
-- challenge must not be taken for a person because of it.
local OWN = { seawall = true, ["seawall-try"] = true, ["seawall-probe"] = true }
local function foreign(cookies)
  if not contains(cookies, "seawall") then
    return true
  end
  for name in cookies:gmatch("([^=; ]+)=") do
    if not OWN[name] and not (name:sub(1, 7) == "__Host-" and OWN[name:sub(8)]) then
      return true
    end
  end
  return false
end

-- What the page probe's bits come to (seawall/bots/probes.py): 1 driven, 2 one oddity, 3 several.
local PROBE_PLACE = "/.well-known/seawall/probe?v="
local PROBE_DRIVEN, PROBE_ODD, PROBE_MAX = 14343, 115064, 131071
M.PROBE = { driven = PROBE_DRIVEN, odd = PROBE_ODD, most = PROBE_MAX, place = PROBE_PLACE }

local function read_probe(digits)
  local bits = digits and #digits <= 6 and tonumber(digits)
  if not bits or bits > PROBE_MAX then
    return 0
  elseif band(bits, PROBE_DRIVEN) ~= 0 then
    return 1
  end
  local odd = band(bits, PROBE_ODD)
  if odd == 0 then
    return 0
  end
  return band(odd, odd - 1) == 0 and 2 or 3
end

-- Told by the request that reports it, and afterwards by a cookie. Over https only the name that no
-- other host can set counts, so that nobody is accused by a neighbour.
local function probed(target, cookies, scheme)
  if target:sub(1, #PROBE_PLACE) == PROBE_PLACE then
    return read_probe(target:match("^%d+$", #PROBE_PLACE + 1))
  elseif cookies and contains(cookies, "seawall-probe=") then
    local name = scheme == "https" and "__Host%-seawall%-probe" or "seawall%-probe"
    return read_probe((";" .. cookies):match("[; ]" .. name .. "=(%d+)"))
  end
  return 0
end

-- The version of the first brand that is a real one: `"Not;A=Brand";v="8", "Chromium";v="150"`.
local function read_brands(text)
  return tonumber(text:match('"Chromium";v="(%d+)')) or tonumber(text:match('Chrome";v="(%d+)')) or 0
end

-- Host of an origin or referer.
local function read_authority(text)
  return text:match("^https?://([^/?#]+)") or (text == "null" and "null") or ""
end

-- `parts`: ja4 and agent (objects), windows and memo (modules), count (of features).
-- `features`: name of a feature to its place, counted from 0.
function M.new(parts, features)
  local memo = parts.memo.new
  local at = {}
  for name, place in pairs(features) do
    at[name:gsub("-", "_")] = place
  end
  local self = {
    count = parts.count,
    vector = ffi.new("uint8_t[?]", parts.count),
    values = {},
    spans = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
    path_of = memo(read_path(parts.windows), MEMO_MAX),
    parts = parts,
    at = at,
  }
  self.accept = memo(read_accept, MEMO_MAX)
  self.language = memo(read_language, MEMO_MAX)
  self.encoding = memo(read_encoding, MEMO_MAX)
  self.cache = memo(read_cache, MEMO_MAX)
  self.brands = memo(read_brands, MEMO_MAX)
  self.authority_of = memo(read_authority, MEMO_MAX)
  return setmetatable(self, { __index = M })
end

local WANTED = {}
for index, name in ipairs({
  ":method", ":path", ":authority", ":scheme", "user-agent", "accept", "accept-language",
  "accept-encoding", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-site",
  "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user", "upgrade-insecure-requests", "priority",
  "te", "referer", "cookie", "cache-control", "if-none-match", "if-modified-since", "range",
  "origin", "connection", "signature-input", "access-control-request-method",
}) do
  WANTED[name] = index
end
M.WANTED = WANTED
local METHOD_AT, PATH_AT, AUTHORITY_AT, SCHEME_AT = 1, 2, 3, 4
local WANTED_MAX = 28

local function put(vector, place, code)
  if code > CODE_MAX then
    code = CODE_MAX
  end
  vector[place] = BASE + code
end

local function flag(vector, place, value)
  vector[place] = value and BASE + 1 or BASE
end

local function order(vector, place, first, second)
  vector[place] = (first == 0 or second == 0) and BASE or (first < second and BASE + 1 or BASE + 2)
end

local positions = ffi.new("int32_t[?]", WANTED_MAX + 1)

-- Walks the headers. `v` holds what was wanted by index; the same tables serve every request.
local function walk(headers, v)
  for i = 1, WANTED_MAX do
    v[i] = nil
    positions[i] = 0
  end
  local n, first, pseudo = 0, nil, 0
  for name, value in pairs(headers) do
    local wanted = WANTED[name]
    if name:byte(1) == 58 then -- `:`
      pseudo = (pseudo * 256 + name:byte(2)) % 4294967296
    else
      n = n + 1
      if n == 1 then
        first = name
      end
    end
    if wanted then
      if v[wanted] == nil then
        v[wanted] = value
        positions[wanted] = n
      end
    end
  end
  return n, first, pseudo
end

local PSEUDO_NUMBER = {}
for text, code in pairs(PSEUDO) do
  local number = 0
  for i = 1, 4 do
    number = number * 256 + text:byte(i)
  end
  PSEUDO_NUMBER[number] = code
end

local function hints(at, vector, v, agent, tls)
  local brands, platform, mobile = v[9], v[11], v[10]
  local brand_code
  if agent.engine ~= CHROMIUM then
    brand_code = brands and 5 or 2
  elseif brands == nil then
    brand_code = (tls and agent.version >= HINTS_SINCE) and 1 or 2
  else
    brand_code = agent.version == brands and 3 or 4
  end
  put(vector, at.hints_brand, brand_code)
  local os = platform and HINT_OS[platform]
  put(vector, at.hints_platform, platform == nil and 0 or (os == nil and 3 or (os == agent.os and 2 or 1)))
  put(vector, at.hints_mobile, mobile == nil and 0 or ((mobile == "?1") == (agent.mobile == 2) and 2 or 1))
end

local function fetch(at, vector, v)
  local site, mode, dest, user = v[12], v[13], v[14], v[15]
  put(vector, at.fetch_site, site and (SITE[site] or 5) or 0)
  put(vector, at.fetch_mode, mode and (MODE[mode] or 6) or 0)
  put(vector, at.fetch_dest, dest and (DEST[dest] or 8) or 0)
  local code = 0
  if site or mode or dest or user then
    local page = dest == "document" or dest == "iframe" or dest == "frame"
    local agree = site and mode and dest and (mode == "navigate") == page and (user == nil or mode == "navigate")
    code = agree and 2 or 1
  end
  put(vector, at.fetch_coherence, code)
end

-- Reads one request into the vector. Returns the facts other parts need, in a table that the next
-- request will overwrite.
--   headers: Envoy's, or any table for `pairs`; protocol: `HTTP/1.1`; ja4_of(info): the JA4 of the
--   connection or nil, asked only of requests over TLS.
function M.read(self, headers, protocol, ja4_of, info)
  local v, vector, at, parts = self.values, self.vector, self.at, self.parts
  local n, first, pseudo = walk(headers, v)
  local ja4 = v[SCHEME_AT] == "https" and ja4_of(info) or nil
  local tls = parts.ja4:read(ja4 or "")
  local agent = parts.agent:read(v[5])
  local path = self.path_of(v[PATH_AT] or "/")
  local method, authority = v[METHOD_AT] or "", v[AUTHORITY_AT] or ""
  local version = PROTOCOL[protocol] or 4

  put(vector, at.tls_version, tls.tls)
  put(vector, at.tls_sni, tls.sni)
  put(vector, at.tls_ciphers, tls.ciphers)
  put(vector, at.tls_extensions, tls.extensions)
  put(vector, at.tls_alpn, tls.alpn)
  put(vector, at.tls_family, tls.family)
  put(vector, at.tls_generation, tls.generation)
  put(vector, at.tls_known, tls.known)
  put(vector, at.tls_grease, tls.grease)

  put(vector, at.agent_family, agent.family)
  put(vector, at.agent_major, agent.major)
  put(vector, at.agent_os, agent.os)
  put(vector, at.agent_length, agent.length)
  put(vector, at.agent_mozilla, agent.mozilla)
  put(vector, at.agent_headless, agent.headless)
  put(vector, at.agent_bot_words, agent.bot)

  local secure = ja4 ~= nil and ja4 ~= ""
  put(vector, at.family_agreement, secure and parts.agent:agreement(tls, agent) or 0)
  put(vector, at.generation_gap, secure and parts.agent:gap(tls, agent) or 0)
  local brands = v[9] and self.brands(v[9])
  v[9] = brands
  hints(at, vector, v, agent, secure)

  put(vector, at.protocol, version)
  put(vector, at.pseudo_order, version >= 2 and version < 4 and (PSEUDO_NUMBER[pseudo] or 5) or 0)
  put(vector, at.method, METHOD[method] or 5)
  put(vector, at.headers, n)
  order(vector, at.order_agent_accept, positions[5], positions[6])
  order(vector, at.order_accept_encoding, positions[6], positions[8])
  order(vector, at.order_language_encoding, positions[7], positions[8])
  order(vector, at.order_hints_agent, positions[9], positions[5])
  order(vector, at.order_fetch_accept, positions[12], positions[6])
  put(vector, at.order_first, first and (FIRST[first] or 30) or 0)
  put(vector, at.accept, v[6] and self.accept(v[6]) or 0)
  put(vector, at.accept_language, v[7] and self.language(v[7]) or 0)
  put(vector, at.accept_encoding, v[8] and self.encoding(v[8]) or 0)
  fetch(at, vector, v)
  flag(vector, at.upgrade_insecure, v[16])
  flag(vector, at.priority, v[17])
  flag(vector, at.te, v[18])
  local referer = v[19] and self.authority_of(v[19])
  put(vector, at.referer, referer and (referer == "" and 3 or (referer == authority and 1 or 2)) or 0)
  flag(vector, at.cookie, v[20] and foreign(v[20]))
  put(vector, at.cache_control, v[21] and self.cache(v[21]) or 0)
  flag(vector, at.conditional, v[22] or v[23])
  flag(vector, at.range, v[24])
  local origin = v[25] and self.authority_of(v[25])
  put(vector, at.origin, origin and (origin == "null" and 3 or (origin == authority and 1 or 2)) or 0)
  put(vector, at.connection, v[26] and (CONNECTION[v[26]] or 4) or 0)
  put(vector, at.path_kind, path.kind)
  put(vector, at.query_length, path.query)
  put(vector, at.path_depth, path.depth)
  put(vector, at.page_probe, probed(v[PATH_AT] or "/", v[20], v[SCHEME_AT]))

  self.tls, self.agent, self.path, self.method, self.authority = tls, agent, path, method, authority
  self.protocol, self.scheme, self.cookies, self.user_agent = protocol, v[SCHEME_AT], v[20], v[5]
  self.signed = v[27] ~= nil
  return self
end

-- Adds what the client did before; `spans` as `windows.touch` fills it.
function M.look_back(self, spans)
  local vector, place = self.vector, self.at.requests_10s
  for i = 1, 6 do
    local n = floor(spans[i] + 0.5)
    vector[place + i - 1] = BASE + (BUCKETS[n] or bucket(n))
  end
  for i = 7, 12 do
    local share = spans[i]
    vector[place + i - 1] = BASE + 1 + floor(10 * (share < 1 and share or 1))
  end
end

-- When there is no table of windows: absent.
function M.no_past(self)
  ffi.fill(self.vector + self.at.requests_10s, 12, BASE)
end

function M.text(self)
  return ffi.string(self.vector, self.count)
end

return M
