-- Who asks: the network prefix of an address as text, and the key of its windows.
local M = {}

-- `203.0.113.7:4711` to `203.0.113.0/24`; `[2001:db8:1:2::3]:4711` to `2001:db8:1::/48`. Anything
-- else (a Unix socket) is `-`.
function M.prefix(address)
  local a, b, c = address:match("^(%d+)%.(%d+)%.(%d+)%.%d+")
  if a then
    return a .. "." .. b .. "." .. c .. ".0/24"
  end
  local inside = address:match("^%[([0-9a-fA-F:]+)") or address:match("^([0-9a-fA-F:]+)$")
  if not inside then
    return "-"
  end
  local mapped = address:match("^%[?::[fF][fF][fF][fF]:(%d+%.%d+%.%d+%.%d+)")
  if mapped then
    return M.prefix(mapped)
  end
  local head, tail = inside:match("^(.-)::(.*)$")
  local groups = {}
  for group in (head or inside):gmatch("[^:]+") do
    groups[#groups + 1] = group
  end
  if head then
    local after = {}
    for group in tail:gmatch("[^:]+") do
      after[#after + 1] = group
    end
    for _ = #groups + #after + 1, 8 do
      groups[#groups + 1] = "0"
    end
    for _, group in ipairs(after) do
      groups[#groups + 1] = group
    end
  end
  if #groups ~= 8 then
    return "-"
  end
  local kept = {}
  for i = 1, 3 do
    kept[i] = ("%x"):format(tonumber(groups[i], 16) or 0)
  end
  while kept[#kept] == "0" do
    kept[#kept] = nil
  end
  return table.concat(kept, ":") .. "::/48"
end

-- Without the port.
function M.host(address)
  return address:match("^%[(.+)%]:%d+$") or address:match("^(.+):%d+$") or address
end

return M
