-- What a client proves: that it is the bot it names, or that it passed a challenge.
local M = {}

local MEMO_MAX = 256
local TIMEOUT_MS = 1000
-- Over plain http a neighbouring host can set a cookie of the same name for its whole domain, which comes first.
local COOKIES_TRIED = 4
local TIMEOUT_S = TIMEOUT_MS / 1000

-- Turns `EPOCH KID:HEX KID:HEX` into what checks tokens; false when it is not that.
local function read_keys(clearance)
  return function(text)
    local epoch, rest = text:match("^(%d+) (.+)$")
    local keys, found = {}, false
    for kid, hex in (rest or ""):gmatch("([a-z0-9]+):(%x+)") do
      keys[kid], found = hex, true
    end
    if not epoch or not found then
      return false
    end
    return clearance.new({ keys = keys, epoch = tonumber(epoch) })
  end
end

-- `parts`: verified, clearance, memo (modules), data (what verified.lua uses).
function M.new(parts)
  parts.verified.use(parts.data)
  parts.verified.open("../verified.map", "../claims.map")
  return setmetatable({
    verified = parts.verified,
    clearance = parts.clearance,
    keys_of = parts.memo.new(read_keys(parts.clearance), MEMO_MAX, parts.memo.ANY_LENGTH),
    turns = parts.turns,
  }, { __index = M })
end

local function told(s, outcome, bot)
  s.claims, s.category = bot.name, bot.category
  if outcome == "verified" then
    s.verified = bot.name
  elseif outcome == "impostor" then
    s.impostor = bot.name
  else
    outcome = "unknown"
  end
  return outcome .. ":" .. bot.name
end

-- Writes what is known of the bot that the client names into `s`; returns the record's word.
-- `signed`: what `ask_signature` returned. A signature that proves nothing leaves the question open.
function M.bot(self, s, user_agent, address, now_s, signed)
  if signed then
    return told(s, signed.outcome, signed.bot)
  end
  local bot = self.verified.claim(user_agent)
  if not bot then
    return "-"
  end
  return told(s, self.verified.state(address, bot.number, now_s), bot)
end

-- A header as a signature covers it: values of several lines are joined by a comma and a space
-- (RFC 9421, 2.1), where Envoy's `get` puts the comma alone.
local function covered(headers, name)
  local lines = headers:getNumValues(name)
  if lines < 2 then
    return headers:get(name)
  end
  local values = {}
  for line = 1, lines do
    values[line] = headers:getAtIndex(name, line - 1)
  end
  return table.concat(values, ", ")
end

-- Asks the bot service about a signed request (Web Bot Auth, RFC 9421); nil when nothing is proven, also
-- because the client's network has too many questions open.
-- Waits for the answer, so whatever the caller has read of the request before is another request's
-- afterwards.
function M.ask_signature(self, handle, headers, network, now_s)
  local question = self.verified.question(
    headers:get(":method"), headers:get(":scheme"), headers:get(":authority"), headers:get(":path"),
    function(name)
      return covered(headers, name)
    end)
  local turn = question and self.turns:begin(network, TIMEOUT_S, now_s)
  if not turn then
    return nil
  end
  local _, body = handle:httpCall("seawall_bots", question, "", TIMEOUT_MS)
  self.turns:done(turn)
  local outcome, name = self.verified.answer(body)
  local bot = name and self.verified.named(name)
  return bot and outcome ~= "unknown" and { outcome = outcome, bot = bot } or nil
end

-- Writes the level of a clearance into `s`; returns the record's word, and what the challenge's probes
-- found in the browser, where they looked.
function M.cleared(self, s, text, cookies, scheme, host, network, ja4, now_s)
  local keys = text and self.keys_of(text)
  local name, from, refused = scheme == "https" and "__Host-seawall" or "seawall", 1, nil
  for _ = 1, keys and COOKIES_TRIED or 0 do
    local token
    token, from = self.clearance.cookie(cookies, name, from)
    if not token then
      break
    end
    local level, reason, probes = keys:check(token, host, network, ja4, now_s)
    if level then
      s.cleared = level
      return "ok:" .. level, probes
    end
    refused = refused or reason
  end
  if not refused then
    return "-"
  end
  return refused == "expired" and "expired" or "invalid"
end

return M
