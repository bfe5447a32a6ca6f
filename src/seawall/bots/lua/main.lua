-- The filter: reads a request's signals, scores them, asks the site's policy, and does what it says. What
-- answers say of a client is noted by `answers.lua`.
--
-- A fault in here passes the request on as it is: Envoy counts it in `lua.errors` and goes on. What
-- is decided stands in one text of dynamic metadata, which the access record carries:
-- `SCORE ACTION RULE VERIFIED CLEARANCE MODEL VECTOR CLIENT`, with `-` for what is absent; where
-- there is a shadow, `SCORE:MODEL` of it stands before the vector.
local ffi = require("ffi")

local NAMESPACE, KEY = reply.NAMESPACE, reply.DECISION
local JA4_STATE = "seawall.ja4"
local CLASS_KEY, CLASS_USUAL, CLEARANCE_KEY = "class", "page", "clearance"
local MEMO_MAX = 4096
local FLUSH_S = 1

pcall(ffi.cdef, [[
typedef struct { long sec; long nsec; } seawall_time_t;
int clock_gettime(int clock, seawall_time_t *time);
]])
local REALTIME_COARSE = 5
local clock = ffi.new("seawall_time_t")

-- A cycle of the collector looks at all that lives here. With fewer of them than usual (200) a request costs
-- less; with still fewer (400) it costs more again, since the heap grows out of the caches.
collectgarbage("setpause", 300)

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
-- A function that named `config` would keep all of it alive: the models' texts, which nobody reads again.
local SERVICE, POLICIES = config.service, config.policies

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
local turn_of = turns.new(turns.QUESTIONS)
-- What browsers ask of the bot service while they are challenged: each takes a turn of a second, which nobody
-- gives back. No rule holds for it, so that a flood of one network would keep all others from passing.
local visits = turns.new(turns.VISITS)
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

-- What is done with the requests of a route, by its name: the rules, and what clearances of the site are signed
-- with. To be handed the texts costs more than all that is done with them, so only the first request of a route
-- asks for them. Routes stay as they are while this machine lives: it comes and goes with their table. Where no
-- site has a policy, none is asked for one.
local NO_POLICY = { rules = OBSERVE }
local route_of
do
  local routes, routes_count = {}, 0
  local function read_route(handle)
    local texts = handle:virtualHost():metadata()
    local text = texts:get(handle:metadata():get(CLASS_KEY) or CLASS_USUAL)
    return { rules = text and policy_of(text) or OBSERVE, clearance = texts:get(CLEARANCE_KEY) }
  end

  function route_of(handle, info)
    if not POLICIES then
      return NO_POLICY
    end
    local name = info:routeName()
    local route = routes[name]
    if not route then
      if routes_count >= MEMO_MAX then
        routes, routes_count = {}, 0
      end
      route = read_route(handle)
      routes[name], routes_count = route, routes_count + 1
    end
    return route
  end
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
-- What rules may ask; one table serves every request of this worker. What is absent is false and never nil: a
-- key that is given nil has no place of its own, and to look for one each time has Lua order the table anew.
local asked = { codes = codes, score = false, verified = false, impostor = false, claims = false, category = false }

local function request_id(s)
  return s.headers:get("x-request-id")
end

-- A client may write a host in capitals or with a port, and reaches the same site.
local function asked_host(s)
  return clearance.bound_host(s.authority)
end

local function facts(read, headers, address)
  asked.score = false
  asked.path, asked.method = read.path.path, read.method
  asked.authority, asked.host = read.authority, read.authority and asked_host or false
  asked.protocol, asked.request_id = read.protocol, request_id
  asked.verified, asked.impostor, asked.claims, asked.category = false, false, false, false
  asked.cleared = 0
  -- Only the node itself asks over a Unix socket, with golden requests.
  asked.private = client.is_socket(address)
  asked.r10, asked.r60, asked.r600 = spans[1], spans[2], spans[3]
  asked.headers, asked.accept = headers, read.accepts or false
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

local function act(handle, headers, read, rules, action, detail, network, prefix, s)
  -- Made before anything waits: `s` and `read` serve the next request while this one does.
  local status, answer, body = policy.response(action, detail, s)
  if action == "challenge" and detail.page and SERVICE then
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
  -- All that Envoy is asked for stands before the headers are read: LuaJIT compiles no call to Envoy, and what
  -- follows the headers is compiled as one piece.
  local info = handle:streamInfo()
  local address, protocol = info:downstreamRemoteAddress(), info:protocol()
  local route = route_of(handle, info)
  local rules = route.rules
  local headers = handle:headers()
  local read = reader:read(headers, protocol, ja4_of, info)
  local prefix = prefix_of(address)
  local signed
  if read.signed and SERVICE then
    signed = prover:ask_signature(handle, headers, prefix, now_s)
    -- What Envoy hands out of a request is dead after a wait, and has to be had anew.
    headers, info = handle:headers(), handle:streamInfo()
    read = reader:read(headers, protocol, ja4_of, info)
  end
  if rules.mode == "enforce" and SERVICE and challenge.own(read.path.path) then
    challenge.identify(function(name, value)
      headers:replace(name, value)
    end, read, network_of(rules, address, prefix))
    local method = read.method -- before anything waits, as below
    -- Waits until the whole body is here: the service has few connections, and slow bodies would hold
    -- them all, so that nobody else could be shown a challenge.
    handle:body()
    if not visits:begin(prefix, 0, now()) then
      count("bots_challenge_busy")
      refuse(handle, challenge.later(method, BUSY.retry_after_s))
    end
    return
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
    local cookies = read.own_cookies and not read.borrowed and read.cookies or nil
    pass, found = prover:cleared(
      s, route.clearance, cookies, read.scheme, read.authority, network,
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
