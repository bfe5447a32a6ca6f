-- An answer of the filter's own. Envoy puts the header changes of the site into every answer before
-- what is said here is added, so a policy or type of the site would stand beside ours. Ours travel
-- under names of their own, and take their places on the way out.
local M = {}

-- Where the half for requests tells the half for answers, and the record, what it decided.
M.NAMESPACE, M.DECISION = "seawall.bots", "d"
local MARK = "reply"
local PREFIX = "x-seawall-reply-"
local PLAIN = { [":status"] = true, ["set-cookie"] = true }

-- Envoy answers a gRPC call in the way of gRPC: with status 200, a type of its own, and the text as message.
local GRPC = "application/grpc"
local function calls_grpc(handle)
  local kind = handle:headers():get("content-type") or ""
  return kind:sub(1, #GRPC) == GRPC and (#kind == #GRPC or kind:byte(#GRPC + 1) == 43) -- `+`
end

-- headers: name to value, with `:status` of 300 or up: `settle` is called for no other. Ends the request.
function M.send(handle, headers, body)
  if calls_grpc(handle) then
    handle:respond({ [":status"] = headers[":status"], ["retry-after"] = headers["retry-after"] },
      (body:gsub("\n+$", "")))
    return
  end
  local sent, names = {}, {}
  for name, value in pairs(headers) do
    if PLAIN[name] then
      sent[name] = value
    else
      sent[PREFIX .. name] = value
      names[#names + 1] = name
    end
  end
  -- In metadata, where no origin writes: none can make an answer that passes for ours, and have headers taken
  -- away that the site adds.
  handle:streamInfo():dynamicMetadata():set(M.NAMESPACE, MARK, table.concat(names, " "))
  handle:respond(sent, body)
end

-- To be called with the headers of every answer that may be one, and the metadata of its request; tells
-- whether it is.
function M.settle(headers, metadata)
  local names = metadata[MARK]
  if not names then
    return false
  end
  for name in names:gmatch("%S+") do
    local value = headers:get(PREFIX .. name)
    headers:remove(PREFIX .. name)
    headers:remove(name)
    if value then
      headers:add(name, value)
    end
  end
  return true
end

return M
