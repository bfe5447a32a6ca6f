-- A second model, which scores what the first one scores and decides nothing. Whatever is wrong with
-- it is counted and told in the record: neither the text nor a request may fail by it.
local M = {}

-- spec: as for the model, and `sides`: scores up to which a client counts as automated.
-- count: told the name of what happened.
-- The result takes a vector and its score (nil: not asked), and gives what the record tells.
function M.new(model, spec, count)
  local whole, scorer = pcall(model.new, spec)
  if not whole then
    scorer = nil
  end
  local sides = {}
  for side in spec.sides:gmatch("%d+") do
    sides[#sides + 1] = tonumber(side)
  end
  local absent, begin, ends = " -:" .. spec.id, " ", ":" .. spec.id

  local function agree(one, other)
    for i = 1, #sides do
      if (one <= sides[i]) ~= (other <= sides[i]) then
        return false
      end
    end
    return true
  end

  return function(vector, score)
    if not score then
      return absent
    end
    local good, own = false, nil
    if scorer then
      good, own = pcall(scorer.score, scorer, vector)
    end
    if not good then
      count("bots_shadow_errors")
      return absent
    end
    count(agree(score, own) and "bots_shadow_agree" or "bots_shadow_disagree")
    return begin .. own .. ends
  end
end

return M
