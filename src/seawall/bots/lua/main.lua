-- The filter: reads a request's signals, scores them, asks the site's policy, and does what it says.
--
-- A fault in here passes the request on as it is: Envoy counts it in `lua.errors` and goes on. What
-- is decided stands in one text of dynamic metadata, which the access record carries:
-- `SCORE ACTION RULE VERIFIED CLEARANCE MODEL VECTOR CLIENT`, with `-` for what is absent; where
-- there is a shadow, `SCORE:MODEL` of it stands before the vector.
local ffi = require("ffi")

local NAMESPACE, KEY = "seawall.bots", "d"
local JA4_STATE = "seawall.ja4"
local CLASS_KEY, CLASS_USUAL, CLEARANCE_KEY = "class", "page", "clearance"
local DIGEST_KEY, CLASSES_KEY = "digest", "classes"
local MEMO_MAX = 4096
local FLUSH_S = 1

pcall(ffi.cdef, [[
typedef struct { long sec; long nsec; } seawall_time_t;
int clock_gettime(int clock, seawall_time_t *time);
]])
local REALTIME_COARSE = 5
local clock = ffi.new("seawall_time_t")

local function now()
  ffi.C.clock_gettime(REALTIME_COARSE, clock)
  return tonumber(clock.sec)
end

local past = windows.open("windows.map")
local scorer, refusal = nil, nil
if config.model then
  scorer, refusal = model.new(config.model)
  if not scorer then
    error("bot model " .. config.model.id .. " refused: " .. refusal)
  end
end
local MODEL = config.model and config.model.id or "-"

local reader = signals.new({
  ja4 = ja4.new(config.ja4),
  agent = agent.new(config.ja4),
  windows = windows,
  memo = memo,
  paths = paths,
  shapes = shapes,
  count = config.features_count,
}, config.features)
local prefix_of = memo.new(client.prefix, MEMO_MAX)
local host_of = memo.new(client.host, MEMO_MAX)
local hash_of = memo.new(function(address)
  return windows.hash(host_of(address), 3)
end, MEMO_MAX)
local turn_of = turns.new()
local visits_of = visits.new()
local prover = proof.new({
  verified = verified, clearance = clearance, memo = memo, data = bot_data, turns = turn_of,
})
local key_of = memo.new(function(text)
  local first, second = windows.hash(text, 1), windows.hash(text, 2)
  return { first, second, ("%08x%08x"):format(first % 4294967296, second % 4294967296) }
end, MEMO_MAX)

-- The policy of a site stands in the metadata of its virtual host, one text for each class of its
-- routes; the class stands in the route's. A site without one observes, as does a broken text.
local OBSERVE = {}
local policy_of = memo.new(function(text)
  return policy.compile(text) or OBSERVE
end, MEMO_MAX, memo.ANY_LENGTH)

-- What stands in the metadata of a virtual host, by the short name that it has there: to be handed the
-- texts themselves costs more than all that is done with them. nil for a site without a policy.
local sites, sites_count = {}, 0
local function site_of(texts)
  local digest = texts:get(DIGEST_KEY)
  local site = digest and sites[digest]
  if digest and not site then
    if sites_count >= MEMO_MAX then
      sites, sites_count = {}, 0
    end
    site = { several = texts:get(CLASSES_KEY) ~= nil, clearance = texts:get(CLEARANCE_KEY), rules = {} }
    sites[digest], sites_count = site, sites_count + 1
  end
  return site
end

local function rules_of(site, handle, texts)
  local class = site.several and handle:metadata():get(CLASS_KEY) or CLASS_USUAL
  local rules = site.rules[class]
  if not rules then
    local text = texts:get(class)
    rules = text and policy_of(text) or OBSERVE
    site.rules[class] = rules
  end
  return rules
end

-- Counted here, and told to Envoy at most once a second: a counter is looked up by its name.
local counted, flushed_s = {}, 0
local function count(name)
  counted[name] = (counted[name] or 0) + 1
end
local function flush(handle, now_s)
  flushed_s = now_s
  local stats = handle:stats()
  for name, n in pairs(counted) do
    stats:counter(name):add(n)
    counted[name] = nil
  end
end

local beside = config.shadow and shadow.new(model, config.shadow, count)

local spans = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
local codes = setmetatable({}, {
  __index = function(_, place)
    return reader.vector[place - 1] - 35
  end,
})
-- What rules may ask; one table serves every request of this worker.
local asked = { codes = codes }

local function request_id(s)
  return s.headers:get("x-request-id")
end

-- A client may write a host in capitals or with a port, and reaches the same site.
local function asked_host(s)
  return clearance.bound_host(s.authority)
end

local function facts(read, headers, address)
  asked.score = nil
  asked.path, asked.method = read.path.path, read.method
  asked.authority, asked.host = read.authority, read.authority and asked_host
  asked.protocol, asked.request_id = read.protocol, request_id
  asked.verified, asked.impostor, asked.claims, asked.category = nil, nil, nil, nil
  asked.cleared = 0
  -- Only the node itself asks over a Unix socket, with golden requests.
  asked.private = client.is_socket(address)
  asked.r10, asked.r60, asked.r600 = spans[1], spans[2], spans[3]
  asked.headers, asked.accept = headers, read.accepts
  return asked
end

local function ja4_of(info)
  return info:filterState():get(JA4_STATE)
end

-- The network that a clearance is bound to.
local function network_of(rules, address, prefix)
  local own = rules.challenge
  if not own or (own.ipv4 == 24 and own.ipv6 == 48) then
    return prefix
  end
  return client.network(address, own.ipv4, own.ipv6)
end

-- Two Cookie headers are left alone: no browser sends them, and they cannot be told apart any more.
local function keep_own_cookies(headers)
  if headers:getNumValues("cookie") ~= 1 then
    return
  end
  local rest = signals.without_own(headers:get("cookie"))
  if rest == "" then
    headers:remove("cookie")
  elseif rest then
    headers:replace("cookie", rest)
  end
end

local function refuse(handle, status, answer, body)
  answer[":status"] = tostring(status)
  reply.send(handle, answer, body)
end

-- Shows the challenge; false when there is none. Of too many at once the rest is told to come again: a
-- browser does by itself.
local BUSY = { retry_after_s = 3 }
local function challenged(handle, headers, read, detail, network, prefix, s)
  local status, answer, body = policy.response("rate", BUSY, s)
  answer.refresh = read.method == "GET" and tostring(BUSY.retry_after_s) or nil
  local shown = challenge.show(handle, headers, read, network, detail.level, turn_of, prefix, now)
  if shown == "busy" then
    count("bots_challenge_busy")
    refuse(handle, status, answer, body)
  end
  return shown
end

-- A browser asks again by itself, or its visitor takes the way without scripts.
local function told_to_come_again(handle, headers, read, address)
  count("bots_challenge_busy")
  refuse(handle, policy.response("rate", BUSY, facts(read, headers, address)))
end

local function act(handle, headers, read, rules, action, detail, network, prefix, s)
  -- Made before anything waits: `s` and `read` serve the next request while this one does.
  local status, answer, body = policy.response(action, detail, s)
  if action == "challenge" and detail.page and config.service then
    if challenged(handle, headers, read, detail, network, prefix, s) then
      return
    end
    count("bots_challenge_unavailable")
    if rules.challenge.unavailable == "pass" then
      return
    end
  end
  refuse(handle, status, answer, body)
end

local function request(handle)
  local now_s = now()
  local info = handle:streamInfo()
  local headers = handle:headers()
  local read = reader:read(headers, info:protocol(), ja4_of, info)
  local signed
  if read.signed and config.service then
    local network = prefix_of(info:downstreamRemoteAddress())
    signed = prover:ask_signature(handle, headers, network, now_s)
    -- What Envoy hands out of a request is dead after a wait, and has to be had anew.
    headers, info = handle:headers(), handle:streamInfo()
    read = reader:read(headers, info:protocol(), ja4_of, info)
  end
  local address = info:downstreamRemoteAddress()
  local prefix = prefix_of(address)
  local texts = handle:virtualHost():metadata()
  local site, rules = site_of(texts), OBSERVE
  if site then
    rules = rules_of(site, handle, texts)
    if rules.mode == "enforce" and config.service and challenge.own(read.path.path) then
      if not visits_of:may(prefix, now_s) then
        told_to_come_again(handle, headers, read, address)
        return
      end
      challenge.identify(function(name, value)
        headers:replace(name, value)
      end, read, network_of(rules, address, prefix))
      -- Waits until the whole body is here: the service has few connections, and slow bodies would hold
      -- them all, so that nobody else could be shown a challenge.
      handle:body()
      return
    end
  end
  local key = key_of(prefix .. read.tls.stable .. read.agent.family)
  local place = -1
  if past then
    place = past:touch(key[1], key[2], read.path.hash, read.path.asset, read.came, hash_of(address),
      now_s, spans)
    read:look_back(spans)
  else
    read:no_past()
  end

  local s = facts(read, headers, address)
  local proven = prover:bot(s, read.user_agent, host_of(address), now_s, signed)
  local pass, network = "-", prefix
  if rules.decide then
    network = network_of(rules, address, prefix)
    local found
    -- A page of another site cannot spend the clearances of its visitors.
    local cookies = not read.borrowed and read.cookies or nil
    pass, found = prover:cleared(
      s, site.clearance, cookies, read.scheme, read.authority, network,
      read.tls.stable, now_s)
    if found then
      read:probed_before(found)
    end
  end

  local vector = read:text()
  local score
  if scorer and not s.verified and (not rules.decide or rules:wants_score(s)) then
    score = scorer:score(vector)
    s.score = score
    count("bots_scored")
  else
    count("bots_unscored")
  end

  local action, rule, detail = "observe", nil, nil
  if rules.decide then
    action, rule, detail = rules:decide(s)
  end
  info:dynamicMetadata():set(NAMESPACE, KEY, (score or "-") .. " " .. action .. " " .. (rule or "-")
    .. " " .. proven .. " " .. pass .. " " .. MODEL .. (beside and beside(vector, score) or "")
    .. " " .. vector .. " " .. key[3] .. "." .. place)
  local acts = action ~= "observe" and action ~= "allow"
  if acts then
    count("bots_" .. action)
  end
  if now_s - flushed_s >= FLUSH_S then
    flush(handle, now_s)
  end
  local own_cookies = read.own_cookies -- before anything waits, as above
  if acts then
    act(handle, headers, read, rules, action, detail, network, prefix, s)
  end
  if own_cookies then -- and nothing was answered
    keep_own_cookies(handle:headers()) -- anew: asking for a challenge waited
  end
end

function envoy_on_request(handle)
  request(handle)
end

-- An answer of 400 and up is a fact about its client, as is a redirect; the record's own text tells
-- whose. An answer of this filter is none: who is challenged, refused or slowed down once would look
-- the more automated for it, with a whole network, and what was decided once would confirm itself.
function envoy_on_response(handle)
  local headers = handle:headers()
  local status = headers:get(":status")
  if not status or status:byte(1) < 51 or status == "304" then
    return
  end
  if not reply.settle(headers) and past then
    local decided = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
    local text = decided and decided[KEY]
    if text then
      local first, second, place = text:match(" (%x%x%x%x%x%x%x%x)(%x%x%x%x%x%x%x%x)%.(%d+)$")
      if first then
        local tell = status:byte(1) == 51 and past.led_on or past.failed
        tell(past, tonumber(place), bit.tobit(tonumber(first, 16)), bit.tobit(tonumber(second, 16)))
      end
    end
  end
end
