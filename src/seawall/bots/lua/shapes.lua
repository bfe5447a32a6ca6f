-- How a request is written: which headers it has, in which order. Clients say the same names in the
-- same order again and again, so what follows from names alone is worked out once for each order. It is
-- found again in a tree, by one look-up for each header.
--
-- Children of a node stand under the names of headers, and what is known of it under numbers. Clients
-- choose the orders, so the nodes are bounded: a full tree is forgotten as a whole. A name that nobody
-- asks for is as good as any other such name.
local M = {}

local NODES_MAX = 8192
local FACTS, PARENT, TOKEN, DEPTH = 1, 2, 3, 4
local OTHER = ""

local FIRST = {
  ["user-agent"] = 1, ["accept"] = 2, ["accept-encoding"] = 3, ["accept-language"] = 4,
  ["connection"] = 5, ["sec-ch-ua"] = 6, ["sec-ch-ua-platform"] = 7, ["sec-fetch-dest"] = 8,
  ["upgrade-insecure-requests"] = 9, ["cache-control"] = 10, ["pragma"] = 11, ["cookie"] = 12,
  ["referer"] = 13, ["content-length"] = 14, ["content-type"] = 15, ["sec-fetch-site"] = 16,
  ["sec-fetch-mode"] = 17, ["host"] = 18, ["te"] = 19, ["sec-ch-ua-mobile"] = 20,
  ["origin"] = 21, ["range"] = 22, ["priority"] = 23, ["dnt"] = 24,
}
local PSEUDO = { masp = 1, mpas = 2, msap = 3, mpsa = 4 }
local WANTED = {}
for index, name in ipairs({
  ":method", ":path", ":authority", ":scheme", "user-agent", "accept", "accept-language",
  "accept-encoding", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-site",
  "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user", "upgrade-insecure-requests", "priority",
  "te", "referer", "cookie", "cache-control", "if-none-match", "if-modified-since",
  "origin", "connection", "signature-input", "access-control-request-method",
}) do
  WANTED[name] = index
end
local WANTED_MAX = 27
-- Whose values, by WANTED, make up what is remembered of a request as a whole: what many clients say
-- alike comes first, so that they share the way to it.
local REMEMBERED = { 1, 8, 25, 21, 12, 13, 14, 15, 10, 11, 6, 7, 9, 5 }
-- What the edge itself adds to nearly every request.
local ADDED = { ["x-forwarded-for"] = true, ["x-forwarded-proto"] = true, ["x-request-id"] = true }
local KNOWN = {}
for _, names in ipairs({ WANTED, FIRST, ADDED }) do
  for name in pairs(names) do
    KNOWN[name] = true
  end
end

local PSEUDO_NUMBER = {}
for text, code in pairs(PSEUDO) do
  local number = 0
  for i = 1, 4 do
    number = number * 256 + text:byte(i)
  end
  PSEUDO_NUMBER[number] = code
end

-- What the names of a request's headers say, in their order. `places`: where among all headers those
-- of WANTED are, 0 for none; `positions`: the same without the pseudo-headers, nil for none.
local function describe(names)
  local places, positions, remembered = {}, {}, {}
  local n, first, pseudo = 0, nil, 0
  for place, name in ipairs(names) do
    local wanted = WANTED[name]
    if name:byte(1) == 58 then -- `:`
      pseudo = (pseudo * 256 + (name:byte(2) or 0)) % 4294967296
    else
      n = n + 1
      first = first or name
    end
    if wanted and not places[wanted] then
      places[wanted], positions[wanted] = place, n
    end
  end
  for i = 1, #REMEMBERED do
    remembered[#remembered + 1] = places[REMEMBERED[i]]
  end
  for i = 1, WANTED_MAX do
    places[i] = places[i] or 0
  end
  return {
    n = n, first = first and (FIRST[first] or 30) or 0, pseudo = PSEUDO_NUMBER[pseudo] or 5,
    places = places, positions = positions, remembered = remembered, known = {},
  }
end

function M.new()
  return setmetatable({ root = { false, false, OTHER, 0 }, nodes = 0 }, { __index = M })
end

-- Room for one more node, here or in what hangs on the facts of a node.
function M.grow(self)
  if self.nodes >= NODES_MAX then
    self.root, self.nodes = { false, false, OTHER, 0 }, 0
  end
  self.nodes = self.nodes + 1
end

local function step(self, node, name)
  local token = name
  if not KNOWN[name] then
    token = name:byte(1) == 58 and name:sub(1, 2) or OTHER -- `:`, a pseudo-header
  end
  local child = node[token]
  if not child then
    self:grow()
    child = { false, node, token, node[DEPTH] + 1 }
    node[token] = child
  end
  return child
end

local function names_of(node)
  local names = {}
  while node[PARENT] do
    names[node[DEPTH]] = node[TOKEN]
    node = node[PARENT]
  end
  return names
end

-- Walks the headers; `values` gets their values in their order. Returns what is known of the shape.
function M.walk(self, headers, values)
  local node, n = self.root, 0
  for name, value in pairs(headers) do
    n = n + 1
    values[n] = value
    node = node[name] or step(self, node, name)
  end
  local facts = node[FACTS]
  if not facts then
    facts = describe(names_of(node))
    node[FACTS] = facts
  end
  return facts
end
-- The iterator is Envoy's and cannot be compiled: around it there would be traces for every way through
-- every header, and to enter and leave them costs more than to interpret the loop.
jit.off(M.walk)

return M
