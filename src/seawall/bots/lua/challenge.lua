-- Shows a challenge: asks the node's bot service for the page and relays it. Waiting for it lets
-- other requests run, so everything that is needed afterwards is taken before.
local M = {}

local CLUSTER, AUTHORITY = "seawall_bots", "seawall"
local PLACE, PROBE = "/.well-known/seawall/", "/.well-known/seawall/probe"
local TIMEOUT_MS = 3000
M.TIMEOUT_S = TIMEOUT_MS / 1000
local FORM_MAX = 61440 -- a little under what Envoy buffers of a connection
local FORM = "application/x-www-form-urlencoded"

-- Whether a path belongs to the bot service. The page probe's are answered by Envoy itself.
function M.own(path)
  return path:sub(1, #PLACE) == PLACE and path:sub(1, #PROBE) ~= PROBE
end

-- What the bot service is told of a client; Envoy removes such headers from what clients send.
function M.identify(set, read, network)
  set("x-seawall-host", read.authority)
  set("x-seawall-scheme", read.scheme or "http")
  set("x-seawall-prefix", network)
  set("x-seawall-ja4", read.tls.stable)
end

-- What a browser is told that asks the service for more than its network may: the script of the page asks
-- again by itself, and so does a page without scripts.
function M.later(method, wait_s)
  return 429, {
    ["cache-control"] = "no-store", ["content-type"] = "application/json", ["x-robots-tag"] = "noindex",
    ["retry-after"] = tostring(wait_s), refresh = method == "GET" and tostring(wait_s) or nil,
  }, ('{"do":"wait","seconds":%d}\n'):format(wait_s)
end

-- Answers with the page; false when there is none, and then nothing was answered. "busy" when too many
-- wait for one: that is no service that is down.
-- `turns`: of them one is taken for the time of the question. Not before the body is there: it would end
-- while a slow one comes, and many that came slowly would ask at the same moment.
-- `prefix`: whose turn it is. `now()`: Unix seconds.
function M.show(handle, headers, read, network, level, turns, prefix, now)
  local asked = {
    [":method"] = "POST", [":path"] = "/internal/challenge", [":authority"] = AUTHORITY,
    ["x-seawall-path"] = headers:get(":path"), ["x-seawall-method"] = read.method,
    ["x-seawall-level"] = tostring(level), ["x-seawall-request-id"] = headers:get("x-request-id"),
  }
  M.identify(function(name, value)
    asked[name] = value
  end, read, network)
  for _, name in ipairs({ "accept-language", "content-type", "cookie", "origin", "sec-fetch-site" }) do
    asked[name] = headers:get(name)
  end
  local body = ""
  local length = tonumber(headers:get("content-length") or "")
  local form = (headers:get("content-type") or ""):sub(1, #FORM) == FORM
  if read.method == "POST" and form and length and length <= FORM_MAX then
    asked["x-seawall-body"] = "whole" -- an empty one really is empty
    local buffered = length > 0 and handle:body()
    body = buffered and buffered:getBytes(0, buffered:length()) or ""
  end
  local turn = turns:begin(prefix, M.TIMEOUT_S, now())
  if not turn then
    return "busy"
  end
  local answer, page = handle:httpCall(CLUSTER, asked, body, {
    timeout_ms = TIMEOUT_MS, return_duplicate_headers = true,
  })
  turns:done(turn) -- now, since an answer ends this script
  local status = tonumber(answer[":status"])
  if answer["x-envoy-overloaded"] then
    return "busy"
  end
  if not status or status < 300 or status >= 500 or not page then
    return false
  end
  local relayed = {}
  for name, value in pairs(answer) do
    if name ~= "content-length" and name ~= "date" and name ~= "server" and name:sub(1, 8) ~= "x-envoy-" then
      relayed[name] = value
    end
  end
  reply.send(handle, relayed, page)
  return true
end

return M
