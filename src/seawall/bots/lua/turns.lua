-- Questions to the bot service that wait for their answer, counted for each network of clients, in each
-- worker by itself. Whoever floods finds only its own turns taken, and the service free for others.
--
-- A client that goes away while its question waits ends the question without a word to us. So a turn is
-- taken until a time, and given back sooner where the answer came.
local M = {}

M.QUESTIONS = 16 -- BOT_SERVICE_TURNS_PER_NETWORK_MAX of seawall/limits.py
M.VISITS = 256 -- BOT_SERVICE_VISITS_PER_NETWORK_S_MAX
local NETWORKS_MAX = 1024

local Turns = {}
Turns.__index = Turns

-- The place of a turn that lasts for at most `wait_s`, for `done`; nil when the network has none left.
function Turns:begin(network, wait_s, now_s)
  local own = self.known[network]
  if not own then
    if self.count >= NETWORKS_MAX then
      self.known, self.count = {}, 0
    end
    own = {}
    self.known[network], self.count = own, self.count + 1
  end
  for place = 1, self.most do
    local until_s = own[place] or 0
    -- One that is far ahead is from before the clock was set back.
    if until_s <= now_s or until_s > now_s + 60 then
      own[place] = now_s + wait_s + 1
      return { own = own, place = place, until_s = own[place] }
    end
  end
  return nil
end

function Turns:done(turn)
  if turn.own[turn.place] == turn.until_s then
    turn.own[turn.place] = 0
  end
end

-- `most`: turns of one network at once.
function M.new(most)
  return setmetatable({ known = {}, count = 0, most = most }, Turns)
end

return M
