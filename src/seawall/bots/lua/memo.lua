-- Remembers what a pure function made of a text. Clients choose the texts, so their number and
-- length are bounded: a full table is forgotten as a whole, which costs less than to know what is
-- old, and a text that is longer than any usual one is read each time.
local M = {}

local LENGTH_MAX = 512

M.ANY_LENGTH = math.huge -- for texts that come with a release, and not from clients

function M.new(read, max, length_max)
  local known, count = {}, 0
  length_max = length_max or LENGTH_MAX
  return function(text)
    local found = known[text]
    if found == nil then
      found = read(text)
      if #text > length_max then
        return found
      end
      if count >= max then
        known, count = {}, 0
      end
      known[text] = found
      count = count + 1
    end
    return found
  end
end

return M
