-- What browsers ask of the bot service while they are challenged, counted for each network of clients, in
-- each worker by itself. Envoy sends it there without a question, so nothing tells when its turn is over.
local M = {}

local MOST = 1000 -- BOT_SERVICE_BROWSER_REQUESTS_PER_NETWORK_MAX of seawall/limits.py
local SPAN_S = 10 -- BOT_SERVICE_BROWSER_SPAN_S
local NETWORKS_MAX = 16384

local Visits = {}
Visits.__index = Visits

-- Whether one more of the network is answered. Of more networks than are counted each is: they are no
-- flood of one.
function Visits:may(network, now_s)
  local span = now_s - now_s % SPAN_S
  if span ~= self.span then
    self.span, self.known, self.count = span, {}, 0
  end
  local before = self.known[network]
  if not before then
    if self.count >= NETWORKS_MAX then
      return true
    end
    before, self.count = 0, self.count + 1
  end
  self.known[network] = before + 1
  return before < MOST
end

function M.new()
  return setmetatable({ span = 0, known = {}, count = 0 }, Visits)
end

return M
