-- The half of the filter that looks at answers, in a machine of its own: Envoy enters it for those of 300 and
-- up alone. Beside the request's half it would cost every request a coroutine.
--
-- An answer of 400 to 499 is a fact about its client, as is a redirect; the record's own text tells
-- whose. One of 500 and up is a fact about the site, and who tries again did not come to a page: while a site
-- is down, every visitor would come to look automated, and be challenged for minutes after. An answer of the
-- filter is none: who is challenged, refused or slowed down once would look the more automated for it, with a
-- whole network, and what was decided once would confirm itself.
local bit = require("bit")

local past = windows.open("windows.map")

function envoy_on_response(handle)
  local said = handle:streamInfo():dynamicMetadata():get(reply.NAMESPACE)
  local headers = handle:headers()
  if not said or reply.settle(headers, said) then
    return
  end
  local status = headers:get(":status")
  local class = status:byte(1)
  local tell = past and status ~= "304" and (class == 52 and past.failed or past.led_on)
  if not tell then
    return
  end
  local first, second, place = (said[reply.DECISION] or ""):match(" (%x%x%x%x%x%x%x%x)(%x%x%x%x%x%x%x%x)%.(%d+)$")
  if first then
    tell(past, tonumber(place), bit.tobit(tonumber(first, 16)), bit.tobit(tonumber(second, 16)))
  end
end
