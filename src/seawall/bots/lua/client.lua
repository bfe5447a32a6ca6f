-- Who asks: the network of an address as text, and its address without the port.
local ffi = require("ffi")
local bit = require("bit")

pcall(ffi.cdef, "int inet_pton(int family, const char *text, void *address);")
pcall(ffi.cdef, "const char *inet_ntop(int family, const void *address, char *text, uint32_t size);")

local M = {}

local AF_INET, AF_INET6 = 2, 10
local TEXT_MAX = 64
local bytes, text = ffi.new("uint8_t[16]"), ffi.new("char[?]", TEXT_MAX)

-- Without the port: `203.0.113.7:4711` and `[2001:db8::3]:4711`. Nor the zone of `fe80::1%4`, which is the
-- machine's own number of an interface.
function M.host(address)
  local host = address:match("^%[(.+)%]:%d+$") or address:match("^([^:]+):%d+$") or address
  return host:match("^(.*:.*)%%") or host
end

-- Whether it is that of a Unix socket, and so of nobody outside of this machine: every other one has a
-- port, also one that this module cannot read.
function M.is_socket(address)
  return not address:find(":", 1, true)
end

-- `203.0.113.0/24`, `2001:db8:1::/48`: the network that an address lies in, with so many bits for
-- each family. Anything else (a Unix socket) is `-`. IPv4 inside IPv6 is IPv4.
function M.network(address, ipv4_bits, ipv6_bits)
  local host = M.host(address)
  host = host:match("^::[fF][fF][fF][fF]:(%d+%.%d+%.%d+%.%d+)$") or host
  local family, length, bits = AF_INET, 4, ipv4_bits
  if host:find(":", 1, true) then
    family, length, bits = AF_INET6, 16, ipv6_bits
  end
  if #host >= TEXT_MAX or ffi.C.inet_pton(family, host, bytes) ~= 1 then
    return "-"
  end
  for i = 0, length - 1 do
    local kept = math.max(0, math.min(8, bits - i * 8))
    bytes[i] = bit.band(bytes[i], 256 - 2 ^ (8 - kept))
  end
  if ffi.C.inet_ntop(family, bytes, text, TEXT_MAX) == nil then
    return "-"
  end
  return ffi.string(text) .. "/" .. bits
end

-- The network for windows.
function M.prefix(address)
  return M.network(address, 24, 48)
end

return M
