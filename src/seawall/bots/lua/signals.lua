-- Reads the signals of one request: one walk over its headers, and what each text means, which is
-- remembered by text. Writes feature codes as the characters of a vector; see
-- seawall/bots/features.py for names, order and cases. A header that is not there leaves its code
-- at 0, absent. Nothing here may raise, whatever a client sends.
local ffi = require("ffi")

local M = {}

local BASE, CODE_MAX = 35, 90
local MEMO_MAX = 4096
local REMEMBERED_LENGTH_MAX = 1024 -- of all texts of one request
local CHROMIUM, HINTS_SINCE = 1, 89 -- engine code; the first major that sends client hints
local HINT_OS = {
  ['"Windows"'] = 1, ['"macOS"'] = 2, ['"Linux"'] = 3, ['"Android"'] = 4, ['"iOS"'] = 5,
  ['"Chrome OS"'] = 6, ['"Chromium OS"'] = 6,
}
local METHOD = { GET = 1, HEAD = 2, POST = 3, OPTIONS = 4 }
local PROTOCOL = { ["HTTP/1.1"] = 1, ["HTTP/2"] = 2, ["HTTP/3"] = 3 }
local SITE = { none = 1, ["same-origin"] = 2, ["same-site"] = 3, ["cross-site"] = 4 }
local MODE = { navigate = 1, ["no-cors"] = 2, cors = 3, ["same-origin"] = 4, websocket = 5 }
local DEST = { document = 1, image = 2, style = 3, script = 4, empty = 5, font = 6, iframe = 7 }
local CONNECTION = { ["keep-alive"] = 1, close = 2, upgrade = 3, Upgrade = 3 }

local floor, log, min = math.floor, math.log, math.min
local band = require("bit").band

local function bucket(n)
  if n < 1 then
    return 0
  end
  return min(1 + floor(4 * log(n) / log(2) + 1e-9), CODE_MAX)
end
M.bucket = bucket

local BUCKETS, BUCKETS_MAX = ffi.new("uint8_t[4096]"), 4095
for n = 0, BUCKETS_MAX do
  BUCKETS[n] = bucket(n)
end

local function contains(text, piece)
  return text:find(piece, 1, true) ~= nil
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
local function is_own(name)
  return OWN[name] or (name:sub(1, 7) == "__Host-" and OWN[name:sub(8)])
end

local function foreign(cookies)
  -- Not "([^=; ]+)=", which tries a word without `=` anew from each of its letters: minutes for a long one.
  for name, sign in cookies:gmatch("([^=; ]+)(=?)") do
    if sign == "=" and not is_own(name) then
      return true
    end
  end
  return false
end

-- What the origin gets of a Cookie header: all but Seawall's own cookies, which say nothing to it, and by
-- which caches would take a page for a personal one. nil for more cookies than browsers keep of a site:
-- they go on as they are, and cost no more.
local COOKIES_MAX = 200
function M.without_own(cookies)
  local kept, n = {}, 0
  for pair in cookies:gmatch("[^; ][^;]*") do
    n = n + 1
    if n > COOKIES_MAX then
      return nil
    end
    if not is_own(pair:match("^[^= ]*")) then
      kept[#kept + 1] = pair
    end
  end
  return table.concat(kept, "; ")
end

-- What the page probe's bits come to (seawall/bots/probes.py): 1 driven, 2 one oddity, 3 several.
local PROBE_DRIVEN, PROBE_ODD, PROBE_MAX = 14343, 115064, 131071

local function code_of(bits)
  if bits > PROBE_MAX then
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

local function read_probe(digits)
  local bits = digits and #digits <= 6 and tonumber(digits)
  return bits and code_of(bits) or 0
end

-- Told by the request that reports it, and afterwards by a cookie. Over https only the name that no
-- other host can set counts, so that nobody is accused by a neighbour.
local function probed(report, cookies, scheme)
  if report then
    return read_probe(report)
  elseif cookies and contains(cookies, "seawall-probe=") then
    local name = scheme == "https" and "__Host%-seawall%-probe" or "seawall%-probe"
    -- Behind a semicolon only: a neighbour's cookie may have spaces, and this name, in its value.
    return read_probe((";" .. cookies):match(";[ \t]*" .. name .. "=(%d+)"))
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

-- Whether two hosts share the last two labels of their names: hosts that do not are of two sites. What
-- is one site more exactly only a list of all registries tells.
local HOST_MAX = 255
local function site_of(host)
  host = host:gsub(":%d+$", "")
  return #host <= HOST_MAX and (host:match("[^.]+%.[^.]+$") or host)
end
local function kin(one, other)
  local site = site_of(one)
  return site and site == site_of(other)
end

-- What a page of another site asks for by itself, while its visitor goes nowhere. Chromium says of a
-- WebSocket only where it comes from.
local function borrowed(at, vector, method, origin, authority)
  local site = vector[at.fetch_site]
  if site == BASE then
    return origin ~= nil and method == "GET" and not kin(origin, authority)
  end
  return site == BASE + SITE["cross-site"] and vector[at.fetch_mode] ~= BASE + MODE.navigate
end

local METHOD_AT, PATH_AT, AUTHORITY_AT, SCHEME_AT, AGENT_AT, ACCEPT_AT = 1, 2, 3, 4, 5, 6
local REFERER_AT, COOKIE_AT, ORIGIN_AT = 19, 20, 24
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
  vector[place] = (first == nil or second == nil) and BASE or (first < second and BASE + 1 or BASE + 2)
end

-- `parts`: ja4 and agent (objects), windows, memo, paths and shapes (modules), count (of features).
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
    path_of = memo(parts.paths.reader(parts.windows, bucket), MEMO_MAX),
    shapes = parts.shapes.new(),
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

local function hints(at, vector, brands, platform, mobile, agent, tls)
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

-- Written in any case, and Firefox says both: "keep-alive, Upgrade".
local function connection(text)
  if CONNECTION[text] then return CONNECTION[text] end
  text = text:lower()
  return CONNECTION[text] or (text:find("upgrade", 1, true) and CONNECTION.upgrade) or 4
end

local function fetch(at, vector, site, mode, dest, user, method)
  put(vector, at.fetch_site, site and (SITE[site] or 5) or 0)
  put(vector, at.fetch_mode, mode and (MODE[mode] or 6) or 0)
  put(vector, at.fetch_dest, dest and (DEST[dest] or 8) or 0)
  local code = 0
  if site or mode or dest or user then
    local page = dest == "document" or dest == "iframe" or dest == "frame"
    local navigates = mode == "navigate"
    -- Nothing is to be shown of a download, nor, as far as Chromium tells, of what a service worker
    -- fetches for a page.
    local fits = navigates == page or (navigates and dest == "empty")
    local agree = site and mode and dest and fits and (user == nil or navigates)
    -- A form is sent from a page; nobody types an address that posts.
    code = agree and not (method == "POST" and site == "none") and 2 or 1
  end
  put(vector, at.fetch_coherence, code)
end

local function write_tls(at, vector, tls)
  put(vector, at.tls_version, tls.tls)
  put(vector, at.tls_sni, tls.sni)
  put(vector, at.tls_ciphers, tls.ciphers)
  put(vector, at.tls_extensions, tls.extensions)
  put(vector, at.tls_alpn, tls.alpn)
  put(vector, at.tls_family, tls.family)
  put(vector, at.tls_generation, tls.generation)
  put(vector, at.tls_known, tls.known)
  put(vector, at.tls_grease, tls.grease)
end

local function write_agent(at, vector, agent)
  put(vector, at.agent_family, agent.family)
  put(vector, at.agent_major, agent.major)
  put(vector, at.agent_os, agent.os)
  put(vector, at.agent_length, agent.length)
  put(vector, at.agent_mozilla, agent.mozilla)
  put(vector, at.agent_headless, agent.headless)
  put(vector, at.agent_bot_words, agent.bot)
end

local function write_shape(at, vector, shape, version)
  local positions = shape.positions
  put(vector, at.protocol, version)
  put(vector, at.pseudo_order, version >= 2 and version < 4 and shape.pseudo or 0)
  put(vector, at.headers, shape.n)
  order(vector, at.order_agent_accept, positions[AGENT_AT], positions[ACCEPT_AT])
  order(vector, at.order_accept_encoding, positions[ACCEPT_AT], positions[8])
  order(vector, at.order_language_encoding, positions[7], positions[8])
  order(vector, at.order_hints_agent, positions[9], positions[AGENT_AT])
  order(vector, at.order_fetch_accept, positions[12], positions[ACCEPT_AT])
  put(vector, at.order_first, shape.first)
  flag(vector, at.upgrade_insecure, positions[16])
  flag(vector, at.priority, positions[17])
  flag(vector, at.te, positions[18])
  flag(vector, at.conditional, positions[22] or positions[23])
end

-- How the client came here: 1 from elsewhere (a typed address, a bookmark, a page of another site), 2 the
-- same if it is no reload, as it says, -1 by what a page of the site leads to or loads, 0 when that is not told.
local function came_of(at, vector)
  local site = vector[at.fetch_site] - BASE
  if site == 0 then
    return 0
  elseif site == SITE["same-origin"] or site == SITE["same-site"] or vector[at.fetch_mode] ~= BASE + MODE.navigate then
    return -1
  end
  if vector[at.fetch_dest] ~= BASE + DEST.document then
    return 0
  end
  return (vector[at.cache_control] ~= BASE or vector[at.conditional] ~= BASE) and 2 or 1
end

-- Writes all that follows from the shape, the values of REMEMBERED, the protocol and the handshake.
local function write_usual(self, shape, version, tls, secure)
  local vector, at, values, places = self.vector, self.at, self.values, shape.places
  local function value(wanted)
    return values[places[wanted]]
  end
  local agent = self.parts.agent:read(value(AGENT_AT))
  ffi.fill(vector, self.count, BASE)
  write_tls(at, vector, tls)
  write_agent(at, vector, agent)
  put(vector, at.family_agreement, secure and self.parts.agent:agreement(tls, agent) or 0)
  put(vector, at.generation_gap, secure and self.parts.agent:gap(tls, agent) or 0)
  local brands = value(9) and self.brands(value(9))
  hints(at, vector, brands, value(11), value(10), agent, secure)
  write_shape(at, vector, shape, version)
  put(vector, at.method, METHOD[value(METHOD_AT)] or 5)
  put(vector, at.accept, value(ACCEPT_AT) and self.accept(value(ACCEPT_AT)) or 0)
  put(vector, at.accept_language, value(7) and self.language(value(7)) or 0)
  put(vector, at.accept_encoding, value(8) and self.encoding(value(8)) or 0)
  fetch(at, vector, value(12), value(13), value(14), value(15), value(METHOD_AT))
  put(vector, at.cache_control, value(21) and self.cache(value(21)) or 0)
  put(vector, at.connection, value(25) and connection(value(25)) or 0)
  return agent
end

-- The node for what is remembered of this request; one that nobody finds again when its texts are long.
local function remember(self, shape, version, handshake)
  local values, remembered, node, length = self.values, shape.remembered, shape.known, #handshake
  for i = 1, #remembered do
    length = length + #values[remembered[i]]
  end
  if length > REMEMBERED_LENGTH_MAX then
    return {}
  end
  for i = 0, #remembered + 1 do
    local key = i == 0 and version or values[remembered[i]] or handshake
    local child = node[key]
    if not child then
      self.shapes:grow()
      child = {}
      node[key] = child
    end
    node = child
  end
  return node
end

-- Everything that codes tell of a handshake, as one text; `families` is shared by all that share JA4_b.
local function handshake_of(tls)
  local text = tls.codes
  if not text then
    text = table.concat({
      tls.tls, tls.sni, tls.ciphers, tls.extensions, tls.alpn, tls.family, tls.generation, tls.known,
      tls.grease, tls.families and tls.stable or "",
    }, " ")
    tls.codes = text
  end
  return text
end

-- Finds what was remembered; nil when this request is the first of its kind.
local function find(node, values, remembered, version, handshake)
  node = node[version]
  for i = 1, #remembered do
    node = node and node[values[remembered[i]]]
  end
  return node and node[handshake]
end

-- Reads one request into the vector. Returns the facts other parts need, in a table that the next
-- request will overwrite.
--   headers: Envoy's, or any table for `pairs`; protocol: `HTTP/1.1`; ja4_of(info): the JA4 of the
--   connection or nil, asked only of requests over TLS.
function M.read(self, headers, protocol, ja4_of, info)
  local vector, at, values = self.vector, self.at, self.values
  local shape = self.shapes:walk(headers, values)
  local places = shape.places
  local scheme = values[places[SCHEME_AT]]
  local ja4 = scheme == "https" and ja4_of(info) or nil
  local secure = ja4 ~= nil and ja4 ~= ""
  local tls = self.parts.ja4:read(ja4 or "")
  local version = PROTOCOL[protocol] or 4
  local handshake = secure and handshake_of(tls) or ""

  local usual = find(shape.known, values, shape.remembered, version, handshake)
  if usual and usual.vector then
    ffi.copy(vector, usual.vector, self.count)
  else
    usual = usual or remember(self, shape, version, handshake)
    usual.agent = write_usual(self, shape, version, tls, secure)
    usual.came = came_of(at, vector)
    usual.vector = ffi.new("uint8_t[?]", self.count)
    ffi.copy(usual.vector, vector, self.count)
  end

  local path = self.path_of(values[places[PATH_AT]] or "/")
  local authority = values[places[AUTHORITY_AT]] or ""
  local cookies = values[places[COOKIE_AT]]
  local own = cookies and contains(cookies, "seawall")
  if cookies and (not own or foreign(cookies)) then
    vector[at.cookie] = BASE + 1
  end
  local referer = values[places[REFERER_AT]]
  if referer then
    referer = self.authority_of(referer)
    put(vector, at.referer, referer == "" and 3 or (referer == authority and 1 or 2))
  end
  local origin = values[places[ORIGIN_AT]]
  if origin then
    origin = self.authority_of(origin)
    put(vector, at.origin, origin == "null" and 3 or (origin == authority and 1 or 2))
  end
  put(vector, at.path_kind, path.kind)
  put(vector, at.query_length, path.query)
  put(vector, at.path_depth, path.depth)
  put(vector, at.page_probe, probed(path.report, own and cookies, scheme))

  self.tls, self.agent, self.path, self.authority = tls, usual.agent, path, authority
  self.came = usual.came
  self.method, self.protocol, self.scheme = values[places[METHOD_AT]] or "", protocol, scheme
  self.cookies, self.user_agent, self.accepts = cookies, values[places[AGENT_AT]], values[places[ACCEPT_AT]]
  self.own_cookies = own
  self.borrowed = borrowed(at, vector, self.method, origin, authority)
  self.signed = places[26] > 0
  return self
end

-- Adds what the client did before; `spans` as `windows.touch` fills it.
function M.look_back(self, spans)
  local vector, place = self.vector, self.at.requests_10s
  for i = 1, 6 do
    local n = floor(spans[i] + 0.5)
    vector[place + i - 1] = BASE + (n >= 0 and n <= BUCKETS_MAX and BUCKETS[n] or bucket(n))
  end
  for i = 7, 12 do
    local share = spans[i]
    vector[place + i - 1] = BASE + 1 + floor(10 * (share < 1 and share or 1))
  end
  put(vector, self.at.arrivals, vector[self.at.fetch_site] ~= BASE and 1 + spans[13] or 0)
end

-- When there is no table of windows: absent.
function M.no_past(self)
  ffi.fill(self.vector + self.at.requests_10s, 12, BASE)
  self.vector[self.at.arrivals] = BASE
end

-- What a challenge found in this browser is told as the page probe tells it, where that said nothing.
function M.probed_before(self, bits)
  local place = self.at.page_probe
  if self.vector[place] == BASE then
    put(self.vector, place, code_of(bits))
  end
end

function M.text(self)
  return ffi.string(self.vector, self.count)
end

return M
