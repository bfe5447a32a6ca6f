-- What is done with a request: rules, categories, and whom an HTML challenge can be shown.
--
-- M.compile(text) -> policy, or nil and a reason     text is what seawall.bots.policy.policy_text()
--                                                    writes; keep the policy by its text.
-- policy.mode           "off" | "observe" | "enforce"
-- policy.needs_score    false: no rule looks at the score, and nothing is only observed.
-- policy.skips_static   the score of what a page loads need not be asked: it would decide nothing.
-- policy.challenge      { level, unavailable = "pass" | "refuse", clearance_s, ipv4, ipv6 }
-- policy:wants_score(s) -> boolean      whether this request should be scored at all
-- policy:decide(s) -> action, rule, detail
--   action   "observe" | "allow" | "challenge" | "block" | "rate" | "payment"
--   rule     text without spaces for the record, or nil; rules that were only noted stand before
--            the one that decided, joined by "+"
--   detail   of "challenge", "block", "rate", "payment": { level, retry_after_s, page }, where page
--            tells that an HTML challenge can be shown; of "observe", where the policy would have
--            done more: { would = action }. Shared between requests: do not write into it.
-- M.response(action, detail, s) -> status, headers, body     for all but an HTML challenge
-- M.kind(s, route_class) -> text        one of seawall.bots.kinds.KINDS
--
-- s holds facts of the request; each may be a function of s that gives it (asked once), and nil or
-- false where it is absent: score, codes (numbers by index 1..n), path, method, host, protocol,
-- verified, impostor, claims (names of bots), category (of the bot that is named), cleared (level),
-- r10, r60, r600 (requests of the client), request_id, accept (the header), private (true: by a socket
-- of the node itself, as its own probes come; nothing is done).
-- decide() adds route_class.

local M = {}

local HEADER = "seawall-bot-policy 1"
local RULES_MAX = 64
local NOTED_MAX = 4
local RETRY_CHALLENGE_S = 600
-- Places of features in the vector. The schema grows at its end only; a test compares them.
local AGENT_FAMILY, ACCEPT, FETCH_MODE, FETCH_DEST, PATH_KIND, ORIGIN = 10, 32, 36, 37, 49, 47
local FAMILY_GIT, FAMILY_PACKAGE, FAMILY_FEED, FAMILY_TEXT = 12, 13, 14, 15
M.PLACES = {
  ["agent-family"] = AGENT_FAMILY, accept = ACCEPT, ["fetch-mode"] = FETCH_MODE,
  ["fetch-dest"] = FETCH_DEST, ["path-kind"] = PATH_KIND, origin = ORIGIN,
}
M.FAMILIES = { git = FAMILY_GIT, ["package-manager"] = FAMILY_PACKAGE, ["feed-reader"] = FAMILY_FEED,
  ["text-browser"] = FAMILY_TEXT }

local find, sub = string.find, string.sub

-- Facts -------------------------------------------------------------------------------------------

local function get(s, key)
  local value = s[key]
  if type(value) == "function" then
    value = value(s) or false
    s[key] = value
  end
  return value
end

local function T(s, key)
  local value = get(s, key)
  return type(value) == "string" and value or ""
end

local function number_of(value)
  if type(value) == "number" and value == value then return value end
  return false
end

local function N(s, key)
  return number_of(get(s, key))
end

local function S(s)
  -- A verified bot has no score: it is known who it is.
  if T(s, "verified") ~= "" then return false end
  local score = number_of(get(s, "score"))
  return score and score >= 1 and score <= 99 and score
end

local function L(s)
  return number_of(get(s, "cleared")) or 0
end

local function C(s, place)
  local codes = get(s, "codes")
  local code = codes and codes[place]
  return code ~= nil and code ~= 0 and code
end

local function starts(text, part) return sub(text, 1, #part) == part end
local function ends(text, part) return #text >= #part and sub(text, -#part) == part end
local function holds(text, part) return find(text, part, 1, true) ~= nil end
local function eq(a, b) return a ~= false and b ~= false and a == b end
local function ne(a, b) return a ~= false and b ~= false and a ~= b end
local function lt(a, b) return a ~= false and b ~= false and a < b end
local function le(a, b) return a ~= false and b ~= false and a <= b end
local function gt(a, b) return a ~= false and b ~= false and a > b end
local function ge(a, b) return a ~= false and b ~= false and a >= b end

-- What kind of request it is ----------------------------------------------------------------------

local function exempt(path)
  if path == "/robots.txt" then return "exempt:robots" end
  if sub(path, 1, 13) ~= "/.well-known/" then return nil end
  if starts(path, "/.well-known/acme-challenge/") then return "exempt:acme" end
  if starts(path, "/.well-known/seawall/") then return "exempt:seawall" end
  return nil
end

local function navigates(s)
  local mode, dest = C(s, FETCH_MODE), C(s, FETCH_DEST)
  -- A service worker that passes a navigation on leaves its destination empty (5). Chromium then
  -- still says "navigate", Firefox "same-origin".
  if mode == 1 then
    return dest == false or dest == 1 or dest == 5 or dest == 7
  end
  if mode == false and C(s, PATH_KIND) == 5 then
    return false -- some programs accept HTML first, whatever they ask for
  end
  local accept = C(s, ACCEPT)
  -- Links and ELinks accept anything, run no scripts, and open nothing but pages.
  local reads = accept == 1 and C(s, AGENT_FAMILY) == FAMILY_TEXT
  return (accept == 2 or reads) and (mode == false or (mode == 4 and dest == 5))
end

local function accepts_feed(s)
  local accept = T(s, "accept"):lower()
  return holds(accept, "application/rss+xml") or holds(accept, "application/atom+xml")
    or holds(accept, "application/rdf+xml") or holds(accept, "application/feed+json")
end

local FEED_NAMES = { ["feed.xml"] = true, ["rss.xml"] = true, ["atom.xml"] = true, ["index.xml"] = true,
  ["podcast.xml"] = true, ["feed.json"] = true, ["feed.php"] = true, ["rss.php"] = true }

-- What the name of a file says, in whatever folder.
local function named(path)
  local dot = sub(path, -5):find(".", 1, true)
  if not dot then return nil end -- most paths
  -- Not "[^/]*$", which tries every folder's name anew from each of its letters: minutes for a long one.
  local name = (path:match("^.*/(.*)$") or path):lower()
  if holds(name, "sitemap") and (ends(name, ".xml") or ends(name, ".xml.gz") or ends(name, ".txt")
    or ends(name, ".txt.gz")) then
    return "sitemap"
  end
  if FEED_NAMES[name] or ends(name, ".atom.xml") or ends(name, ".rss.xml") or ends(name, ".feed.xml") then
    return "feed"
  end
  return nil
end

-- Files that programs and players fetch by themselves.
local DOWNLOADS = {}
for ending in ([[
  zip gz tgz bz2 xz zst 7z rar tar deb rpm apk ipa exe msi msix dmg pkg appimage flatpak iso img jar whl
  gem crate nupkg vsix xpi crx sh ps1 asc sig sha256 sha512 torrent pdf epub docx xlsx pptx odt ods odp csv
  m3u8 mpd ts m4s m4a m4v mkv mov avi flac wav aac opus oga ogv webmanifest
]]):gmatch("%w+") do
  DOWNLOADS[ending] = true
end

local function is_download(path)
  local ending = sub(path, -12):match("%.(%w+)$")
  return ending ~= nil and DOWNLOADS[ending:lower()] == true
end

-- Modules of Go, whose client names itself as every program in Go does, and images of containers.
local function of_package(path)
  if holds(path, "/@v/") or (ends(path, "/@latest") and path ~= "/@latest") then return true end
  return starts(path, "/v2/")
    and (holds(path, "/manifests/") or holds(path, "/blobs/") or ends(path, "/tags/list"))
end

function M.kind(s, route_class)
  local path, method = T(s, "path"), T(s, "method")
  if path == "/robots.txt" then return "robots" end
  if starts(path, "/.well-known/") then return "well-known" end
  if method == "OPTIONS" then return "preflight" end
  local kind, family = C(s, PATH_KIND), C(s, AGENT_FAMILY)
  local says = named(path)
  if kind == 9 or says == "sitemap" then return "sitemap" end
  if route_class == "feed" or kind == 4 or says == "feed" or family == FAMILY_FEED or accepts_feed(s) then
    return "feed"
  end
  if family == FAMILY_GIT or ends(path, "/info/refs") or ends(path, "/git-upload-pack")
    or ends(path, "/git-receive-pack") then
    return "git"
  end
  if family == FAMILY_PACKAGE or of_package(path) then return "package" end
  if route_class == "static" or kind == 2 or kind == 3 or kind == 7 then return "asset" end
  if route_class == "api" or (method ~= "GET" and method ~= "POST") then return "data" end
  if navigates(s) then return "page" end
  return is_download(path) and "download" or "data"
end

local function K(s)
  return M.kind(s, T(s, "route_class"))
end

-- Reading a policy --------------------------------------------------------------------------------

local ACTIONS = { allow = 1, observe = 1, challenge = 1, block = 1, rate = 1, payment = 1 }
local COUNTS = { ["10"] = "r10", ["60"] = "r60", ["600"] = "r600" }
local ACTION = "(%l+) (%d) (%d+) (%d+)"

local function action_of(rule, what, level, requests, per)
  if not ACTIONS[what] then return nil end
  local detail = { level = tonumber(level), retry_after_s = tonumber(per), page = false }
  local entry = { rule = rule, what = what, level = detail.level, detail = detail }
  if what == "rate" then
    entry.counts = COUNTS[per]
    entry.requests = tonumber(requests)
    if not entry.counts then return nil end
  elseif what == "challenge" then
    if detail.level < 1 or detail.level > 3 then return nil end
    detail.retry_after_s = RETRY_CHALLENGE_S
    entry.shown = { level = detail.level, retry_after_s = RETRY_CHALLENGE_S, page = true }
  end
  entry.would = { would = what }
  return entry
end

-- All conditions become one function: the number of the first rule, from `first` on, that holds.
local function condition_of(conditions)
  local lines = {
    "local T, N, S, L, C, K, starts, ends, holds, eq, ne, lt, le, gt, ge = ...",
    "return function(s, first)",
  }
  for index, condition in ipairs(conditions) do
    lines[#lines + 1] = ("if first <= %d and (%s) then return %d end"):format(
      index, condition, index)
  end
  lines[#lines + 1] = "return 0 end"
  local chunk, reason = load(table.concat(lines, "\n"), "=bot-policy", "t", {})
  if not chunk then return nil, reason end
  return chunk(T, N, S, L, C, K, starts, ends, holds, eq, ne, lt, le, gt, ge)
end

local function read_line(policy, conditions, line)
  local word, rest = line:match("^(%l+) (.+)$")
  if word == "site" then
    policy.site = rest
  elseif word == "class" then
    policy.class = rest
  elseif word == "mode" then
    if rest ~= "off" and rest ~= "observe" and rest ~= "enforce" then return false end
    policy.mode = rest
  elseif word == "static" then
    policy.skips_static = rest == "skip"
  elseif word == "challenge" then
    local level, unavailable, clearance, v4, v6 = rest:match("^(%d) (%l+) (%d+) (%d+) (%d+)$")
    if not level then return false end
    policy.challenge = {
      level = tonumber(level), unavailable = unavailable, clearance_s = tonumber(clearance),
      ipv4 = tonumber(v4), ipv6 = tonumber(v6),
    }
  elseif word == "category" then
    local name, what, level, requests, per = rest:match("^([%l-]+) " .. ACTION .. "$")
    local entry = name and action_of("category:" .. name, what, level, requests, per)
    if not entry or policy.categories[name] then return false end
    policy.categories[name] = entry
  elseif word == "rule" then
    local name, what, level, requests, per, scored, condition = rest:match(
      "^([%l%d_-]+) " .. ACTION .. " ([s-]) (.+)$")
    local entry = name and action_of(name, what, level, requests, per)
    if not entry or #policy.rules >= RULES_MAX then return false end
    entry.scored = scored == "s"
    policy.rules[#policy.rules + 1] = entry
    conditions[#conditions + 1] = condition
  else
    return false
  end
  return true
end

-- Up to which clearance a score still decides something: a client above it need not be scored.
local function scored_level(rules)
  local level = 0
  for _, entry in ipairs(rules) do
    if entry.scored then
      local own = entry.what == "challenge" and entry.level or 4
      if own > level then level = own end
    end
  end
  return level
end

local Policy = {}
Policy.__index = Policy

function M.compile(text)
  if type(text) ~= "string" or sub(text, 1, #HEADER + 1) ~= HEADER .. "\n" then
    return nil, "not a policy of this version"
  end
  local policy = { rules = {}, categories = {}, challenge = false, mode = false, class = false }
  local conditions, lines, ended = {}, 0, false
  for line in text:gmatch("([^\n]*)\n") do
    lines = lines + 1
    if ended then return nil, "text after the end" end
    if sub(line, 1, 4) == "end " then
      if tonumber(sub(line, 5)) ~= lines then return nil, "lines are missing" end
      ended = true
    elseif lines > 1 and not read_line(policy, conditions, line) then
      return nil, "a line of no form: " .. sub(line, 1, 80)
    end
  end
  if not ended then return nil, "it has no end" end
  if not (policy.mode and policy.class and policy.challenge) then return nil, "a part is missing" end
  local condition, reason = condition_of(conditions)
  if not condition then return nil, tostring(reason) end
  policy.condition = condition
  policy.scored_level = scored_level(policy.rules)
  policy.needs_score = policy.mode == "observe" or policy.scored_level > 0
  if policy.mode == "off" then policy.needs_score = false end
  return setmetatable(policy, Policy)
end

-- Deciding ----------------------------------------------------------------------------------------

function Policy:wants_score(s)
  if not self.needs_score or T(s, "verified") ~= "" then return false end
  if self.skips_static and (self.class == "static" or M.kind(s, self.class) == "asset") then
    return false
  end
  return self.mode == "observe" or L(s) < self.scored_level
end

-- A CORS preflight carries no cookies, so it cannot show a clearance: to refuse it would refuse those who have
-- one. What it asks for is challenged in its turn.
local function asks_leave(s)
  return T(s, "method") == "OPTIONS" and C(s, ORIGIN) ~= false
end

-- The detail when `entry` decides; nil when the request passes on to what stands behind it.
local function verdict(entry, s, class)
  local what = entry.what
  if what == "challenge" then
    if T(s, "verified") ~= "" or L(s) >= entry.level or asks_leave(s) then return nil end
    return M.kind(s, class) == "page" and entry.shown or entry.detail
  elseif what == "rate" then
    local count = N(s, entry.counts)
    if not count or count <= entry.requests then return nil end
  elseif what == "observe" then
    return nil
  end
  return entry.detail
end

local STRICT = { block = true, rate = true, payment = true }

-- What holds for the bot that a client names. To be refused it is enough to name one; to be let in
-- as one takes a proof.
local function category_entry(categories, s)
  if T(s, "impostor") ~= "" then return categories.impostor end
  local own = categories[T(s, "category")]
  if T(s, "verified") ~= "" then return own or categories.other end
  if T(s, "claims") == "" then return nil end
  if own and STRICT[own.what] then return own end
  return categories.unverified
end

local function joined(noted, rule)
  if noted == nil then return rule end
  return rule and noted .. "+" .. rule or noted
end

function Policy:finish(entry, detail, noted)
  local rule = joined(noted, entry.rule)
  if self.mode == "enforce" then
    return entry.what, rule, entry.what ~= "allow" and detail or nil
  end
  return "observe", rule, entry.would
end

function Policy:decide(s)
  s.route_class = self.class
  if self.mode == "off" then return "observe", nil, nil end
  local path = T(s, "path")
  local query = find(path, "?", 1, true)
  if query then
    path = sub(path, 1, query - 1)
    s.path = path
  end
  local why = s.private and "exempt:private" or exempt(path)
  if why then return self.mode == "enforce" and "allow" or "observe", why, nil end
  local noted, notes = nil, 0
  local index = self.condition(s, 1)
  while index > 0 do
    local entry = self.rules[index]
    local detail = verdict(entry, s, self.class)
    if detail then return self:finish(entry, detail, noted) end
    if entry.what == "observe" and notes < NOTED_MAX then
      noted, notes = joined(noted, entry.rule), notes + 1
    end
    index = self.condition(s, index + 1)
  end
  local entry = category_entry(self.categories, s)
  if entry then
    local detail = verdict(entry, s, self.class)
    if detail then return self:finish(entry, detail, noted) end
    if entry.what == "observe" and notes < NOTED_MAX then noted = joined(noted, entry.rule) end
  end
  if noted or self.mode == "observe" then return "observe", noted, nil end
  return "allow", nil, nil
end

-- Answers -----------------------------------------------------------------------------------------

local STATUSES = { block = 403, challenge = 403, rate = 429, payment = 402 }
local ERRORS = {
  block = "blocked", challenge = "challenge-required", rate = "rate-limited",
  payment = "payment-required",
}
local PAGES = {
  block = "Access denied.",
  challenge = "This page could not check your browser. Please try again later.",
  rate = "Too many requests. Please wait a little and try again.",
  payment = "Automated access to this page needs an agreement with its operator.",
}

local function escaped(id)
  return (id:gsub("[^%w%-_.:]", ""))
end

function M.response(action, detail, s)
  local what = STATUSES[action] and action or "block"
  local id = escaped(sub(T(s, "request_id"), 1, 80))
  local headers = {
    ["cache-control"] = "no-store", ["x-robots-tag"] = "noindex",
  }
  local wait = detail and detail.retry_after_s or 0
  if (what == "rate" or what == "challenge") and wait > 0 then
    headers["retry-after"] = ("%d"):format(wait)
  end
  if K(s) == "page" then
    headers["content-type"] = "text/plain; charset=utf-8"
    return STATUSES[what], headers, ("%s\n\nReference: %s\n"):format(PAGES[what], id)
  end
  headers["content-type"] = "application/json"
  return STATUSES[what], headers, ('{"error":"%s","request_id":"%s"}\n'):format(ERRORS[what], id)
end

return M
