-- Scores a vector with boosted trees in flat arrays; see seawall/bots/model.py, which gives the
-- same bits. A model is text of numbers, never code. It is refused (nil and why) when its golden
-- vectors do not come out, so that Envoy keeps the script, and the model, that it has.
local ffi = require("ffi")

local M = {}

local BASE = 35 -- the character of code 0
local SCORES_MAX = 8192

local function numbers(text)
  local found = {}
  for word in text:gmatch("[^ ]+") do
    local value = tonumber(word)
    if value == nil or value ~= value then
      return nil
    end
    found[#found + 1] = value
  end
  return found
end

local function array(kind, values)
  local made = ffi.new(kind, #values + 1)
  for i = 1, #values do
    made[i - 1] = values[i]
  end
  return made
end

-- spec: places, base, roots, feature, threshold, left, right, leaf, cuts as texts of numbers;
-- golden as lines of `SCORE VECTOR`. `left` and `right` hold a node, or -1 - leaf.
function M.new(spec)
  local read = {}
  for _, name in ipairs({ "places", "roots", "feature", "threshold", "left", "right", "leaf", "cuts" }) do
    read[name] = numbers(spec[name])
    if read[name] == nil then
      return nil, name .. " holds something that is no number"
    end
  end
  local nodes, leaves = #read.feature, #read.leaf
  if #read.cuts ~= 98 or #read.places < 1 or #read.places > 64 or #read.roots < 1 then
    return nil, "wrong number of cuts, features or trees"
  end
  for i = 1, nodes do
    local feature = read.feature[i]
    if not read.places[feature + 1] then
      return nil, "a node asks for a feature that is not there"
    end
    read.feature[i] = read.places[feature + 1]
    for _, child in ipairs({ read.left[i], read.right[i] }) do
      if not ((child > i - 1 and child < nodes) or (child < 0 and -child <= leaves)) then
        return nil, "a node leads nowhere"
      end
    end
  end
  for i = 1, #read.roots do
    local root = read.roots[i]
    if not ((root >= 0 and root < nodes) or (root < 0 and -root <= leaves)) then
      return nil, "a tree has no root"
    end
  end
  local self = {
    trees = #read.roots,
    base = tonumber(spec.base),
    roots = array("int32_t[?]", read.roots),
    feature = array("uint8_t[?]", read.feature),
    threshold = array("uint8_t[?]", read.threshold),
    left = array("int32_t[?]", read.left),
    right = array("int32_t[?]", read.right),
    leaf = array("double[?]", read.leaf),
    cuts = array("double[?]", read.cuts),
    known = {},
    count = 0,
    margin = M.margin,
    score = M.score,
  }
  for i = 1, nodes do
    self.threshold[i - 1] = read.threshold[i] + BASE
  end
  for score, vector in spec.golden:gmatch("(%d+) ([^\n]+)") do
    if self:margin(vector) ~= self:margin(vector) then
      return nil, "a golden vector has no score"
    end
    if self:score(vector) ~= tonumber(score) then
      return nil, "a golden vector scores " .. self:score(vector) .. ", not " .. score
    end
  end
  self.known, self.count = {}, 0
  return self
end

-- Log-odds of human. `vector` is text or an array of its characters.
function M.margin(self, vector)
  local characters = ffi.cast("const uint8_t *", vector)
  local roots, feature, threshold = self.roots, self.feature, self.threshold
  local left, right, leaf = self.left, self.right, self.leaf
  local total = self.base
  for tree = 0, self.trees - 1 do
    local node = roots[tree]
    while node >= 0 do
      if characters[feature[node]] <= threshold[node] then
        node = left[node]
      else
        node = right[node]
      end
    end
    total = total + leaf[-1 - node]
  end
  return total
end

-- 1 to 99. Most requests have a vector that was seen before.
function M.score(self, vector)
  local score = self.known[vector]
  if score then
    return score
  end
  local margin, cuts = self:margin(vector), self.cuts
  local low, high = 0, 98
  while low < high do
    local middle = math.floor((low + high) / 2)
    if cuts[middle] <= margin then
      low = middle + 1
    else
      high = middle
    end
  end
  if self.count >= SCORES_MAX then
    self.known, self.count = {}, 0
  end
  self.known[vector] = low + 1
  self.count = self.count + 1
  return low + 1
end

return M
